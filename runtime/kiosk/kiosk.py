"""One kiosk: every part opened as the configuration says, joined to the daemon's loop, and closed again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from typing import Any

from ...errors import FerEdgeError
from ..config import KioskConfig
from ..keeping.keeper import Keeper
from ..keeping.places import remember
from ..masking import masked
from ..mqtt.publisher import MqttPublisher
from ..outputs import session_facts
from ..sources.capture import Capture
from ..sources.source import Phase, State
from ..status.prometheus import metrics_text
from ..status.snapshot import Aggregate, Condition, Snapshot
from ..storage.clock import clock_synchronised
from ..vision.quality_gate import UNSUITABLE
from ..vision.smoothing import UNCERTAIN
from ..web.server import WebServer
from .commands import PAUSE, RECORD, RELOAD, TOGGLE, Requests, read_again
from .daemon import Daemon, DaemonLimits
from .factory import (
    between_inferences,
    keep_days_of,
    open_broker,
    open_capture,
    open_history,
    open_pipeline,
    rate_of,
    retention_of,
)
from .logs import HealthLog, set_level
from .metrics import broker_metrics, history_metrics, load_metrics, machine_metrics
from .page import LatestFrame, open_page
from .pause import PauseButton, PauseMark
from .rate_limit import RateLimit
from .recorder import Recorder
from .systemd import Notifier

log = logging.getLogger(__name__)
OpenCapture = Callable[[KioskConfig, Callable[[State], None]], Capture]


class Kiosk:
    """Opens its parts when it is made; `daemon` works, `requests` take commands from any thread, `close` ends it."""

    def __init__(
        self,
        config: KioskConfig,
        again: Callable[[], KioskConfig],
        notifier: Notifier,
        capture: OpenCapture = open_capture,
    ) -> None:
        """Open everything.

        Args:
            again: reads the configuration again, for a reload; raises FerEdgeError kinds.
            capture: opens the source; a measurement gives one that does not wait for the clock.

        Raises:
            UsageError, InputError, BundleError kinds: nothing to be mended by waiting; DeviceNotFound, DeviceFailed.
        """
        self.config, self._again, self._notifier = config, again, notifier
        self.requests, self._open = Requests(), ExitStack()
        self._newest: Snapshot | None = None
        try:
            self._open_parts(capture)
            self._open_outputs()
            self.daemon = self._daemon()
            if self.broker is not None:
                self.broker.start()
            if self.mark.is_set():
                self._pause(True)
        except BaseException:
            self._open.close()
            raise

    def _open_parts(self, capture: OpenCapture) -> None:
        """Source, pipeline, history and what keeps the limits."""
        config = self.config
        # The source opens while the model is loaded.
        self.capture = self._open.enter_context(closing(capture(config, self._log_source)))
        self.pipeline, self.classifier, notice = open_pipeline(config)
        self._open.enter_context(closing(self.classifier))
        if notice:
            log.warning(notice)
        log.info("the detector %s serves", self.pipeline.detector.name)
        if config.baseline.on:
            log.warning(
                "the resting face of everybody in view is learnt, in memory, as long as they are in view (baseline.on)"
            )
        self.history = open_history(config, self.classifier.labels)
        self._open.callback(self._close_history)
        keep_in_mind = partial(remember, config.store.folder)
        recorder = Recorder(config.record, self._facts, config.source.fps, remember=keep_in_mind)
        self.recorder = self._open.enter_context(closing(recorder))
        self.mark = PauseMark(config.store.folder.parent / "paused")
        self.rate_limit, self.aggregate = RateLimit(*rate_of(config)), Aggregate(config.privacy.least_group)

    def _open_outputs(self) -> None:
        """Broker, page and button, each where the configuration wants it."""
        config, self.latest = self.config, LatestFrame()
        device = str(self.classifier.describe().get("device", ""))
        self.broker: MqttPublisher | None = open_broker(config, self.classifier.labels, device, self.requests.ask)
        if self.broker is not None:
            self._open.callback(self.broker.stop)
        self.keeper = Keeper(
            config.store.folder,
            lambda: keep_days_of(self.config),
            spare=lambda: self.recorder.unfinished,
            forget=self.broker.forget_before if self.broker is not None else None,
        )
        self._open.callback(self.keeper.close)
        self.page: WebServer | None = open_page(lambda: self.config, self.requests, self.metrics, self.latest)
        if self.page is not None:
            self._open.callback(self.page.close)
        self.button: PauseButton | None = None
        if config.privacy.pause_button:
            self.button = PauseButton(config.privacy.pause_button, lambda: self.requests.ask(TOGGLE))
            self._open.callback(self.button.close)

    def _daemon(self) -> Daemon:
        outputs = [output for output in (self.broker, self.page) if output is not None]
        parts = (self.capture, self.history, self.recorder, self.keeper, self.mark, self.broker, self.button)
        return Daemon(
            self.capture,
            self.pipeline,
            self.classifier,
            [self.history, self.recorder, self.latest],
            [self._keep, HealthLog().publish, *(output.publish for output in outputs)],
            self._notifier,
            checks=[part.check for part in parts if part is not None],
            aggregate=self.aggregate,
            rate_limit=self.rate_limit,
            limits=DaemonLimits(give_up_s=self.config.work.give_up_s),
            between_frames=self._handle_requests,
            recording=lambda: self.recorder.active,
            clock_ok=clock_synchronised,
        )

    def close(self) -> None:
        """Close every part, whatever the others do; calling it twice is harmless."""
        self._open.close()

    def _handle_requests(self) -> None:
        """Carry out what was asked for since the last frame."""
        for name, on in self.requests.take().items():
            if name == RELOAD:
                self._reload()
            elif name == RECORD:
                self._record(on)
            elif name in (PAUSE, TOGGLE):
                self._pause(not self.daemon.paused if name == TOGGLE else on)

    def _pause(self, on: bool) -> None:
        if on == self.daemon.paused:
            return
        self.daemon.pause(on)
        if on:
            self.latest.close()
            self.recorder.stop("paused on request")
        self.mark.put(on)
        log.warning("paused on request: no picture is looked at" if on else "the pause is over")

    def _record(self, on: bool) -> None:
        if on and not self.daemon.paused:
            self.recorder.start()
        elif not on:
            self.recorder.stop()

    def _reload(self) -> None:
        self._notifier.reloading()
        self.config = read_again(self.config, self._again)
        self.history.limits = retention_of(self.config.store)
        self.pipeline.infer_every_s = between_inferences(self.config)
        self.aggregate.least_group = self.config.privacy.least_group
        self.rate_limit.set(*rate_of(self.config))
        set_level(self.config.log.level)
        if self.daemon.health.condition is not Condition.STARTING:  # else the daemon says so, after the first answer
            self._notifier.ready()

    def _keep(self, snapshot: Snapshot) -> None:
        """Keep the newest for `/metrics`."""
        self._newest = snapshot

    def metrics(self) -> str:
        """The text of `/metrics`; from any thread."""
        if self._newest is None:
            return ""
        more = [*machine_metrics(self.capture, self.classifier), *broker_metrics(self.broker)]
        if not self.aggregate.withholds:
            more += [*load_metrics(self.rate_limit), *history_metrics(self.history)]
        return metrics_text(self._newest, more, (*self.classifier.labels, UNCERTAIN, UNSUITABLE))

    def _log_source(self, state: State) -> None:
        """Called by the capture's thread at each change."""
        level = logging.WARNING if state.phase is Phase.LOST else logging.INFO
        log.log(level, "source %s%s", state.phase.value, f": {state.reason}" if state.reason else "")

    def _facts(self) -> dict[str, Any]:
        return session_facts(masked(self.config.source.what), self.config.source.fps, self.pipeline)

    def _close_history(self) -> None:
        try:
            self.history.close()
        except FerEdgeError as error:
            log.error("%s", error.message)
