"""One kiosk: every part opened as the configuration says, joined to the daemon's loop, and closed again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from ...errors import FerEdgeError
from ..config import KioskConfig
from ..masking import masked
from ..sources.state import Phase, State
from ..status.health import Condition
from ..status.prometheus import metrics_text
from ..status.snapshot import Snapshot
from ..storage.clock import clock_synchronised
from ..storage.session_facts import session_facts
from .commands import Requests
from .daemon import Daemon, Limits
from .factory import (
    aggregate_of,
    between_inferences,
    limits_of,
    open_broker,
    open_capture,
    open_pipeline,
    open_store,
    pace_of,
)
from .logs import set_level
from .metrics import broker_figures, machine_figures, store_figures
from .pause import PauseMark
from .recorder import Recorder
from .reload import read_again
from .systemd import Notifier

if TYPE_CHECKING:
    from ..mqtt.publisher import MqttPublisher
    from ..sources.capture import Capture
    from ..web.server import WebServer
    from .button import PauseButton

log = logging.getLogger(__name__)
PAUSE, RECORD, RELOAD, TOGGLE = "pause", "record", "reload", "toggle"


class Kiosk:
    """Opened by its making, run by `run`, asked by `requests`, closed by `close`."""

    def __init__(
        self,
        config: KioskConfig,
        again: Callable[[], KioskConfig],
        notifier: Notifier,
        capture: Callable[[KioskConfig, Callable[[State], None]], Capture] = open_capture,
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
        self._health_told = ""
        try:
            self._build(capture)
        except BaseException:
            self._open.close()
            raise

    def _build(self, capture: Callable[[KioskConfig, Callable[[State], None]], Capture]) -> None:
        config = self.config
        self.capture = capture(config, self._source_told)  # opens while the model is loaded
        self._open.callback(self.capture.close)
        self.pipeline, self.classifier, notice = open_pipeline(config)
        classifier = self.classifier
        self._open.callback(classifier.close)
        if notice:
            log.warning(notice)
        if config.baseline.on:
            log.warning("a baseline is kept of every face in view, in memory, as long as it is in view (baseline.on)")
        self.store = open_store(config, classifier.labels)
        self._open.callback(self._close_store)
        self.recorder = Recorder(config.record, self._facts, config.source.fps)
        self._open.callback(self.recorder.close)
        self.mark = PauseMark(config.store.folder.parent / "paused")
        device = str(classifier.describe().get("device", ""))
        self.broker: MqttPublisher | None = open_broker(config, classifier.labels, device, self.requests.ask)
        self.page: WebServer | None = None
        self.daemon = self._daemon()
        self._serve()
        self._start_broker()
        self.button: PauseButton | None = self._watch_button()
        if self.mark.is_set():
            self._pause(True)

    def _daemon(self) -> Daemon:
        store, recorder, mark = self.store, self.recorder, self.mark
        checks = [self.capture.check, store.check, recorder.check, mark.check]
        publish = [self._publish]
        if self.broker is not None:
            checks.append(self.broker.check)
            publish.append(self.broker.publish)
        return Daemon(
            self.capture,
            self.pipeline,
            self.classifier,
            [store, recorder],
            publish,
            self._notifier,
            checks=checks,
            aggregate=aggregate_of(self.config),
            pace=pace_of(self.config),
            limits=Limits(give_up_s=self.config.work.give_up_s),
            between=self._between,
            clock_ok=clock_synchronised,
        )

    def run(self) -> int:
        """Work until stopped; returns the daemon's exit code."""
        return self.daemon.run()

    def stop(self) -> None:
        """End soon; from a signal handler or any thread."""
        self.daemon.stop()

    def close(self) -> None:
        """Close every part, whatever the others do; calling it twice is harmless."""
        self._open.close()

    def _serve(self) -> None:
        from .page import open_page

        self.page = open_page(self)
        if self.page is not None:
            self._open.callback(self.page.close)
            self.daemon.publish = [*self.daemon.publish, self.page.publish]

    def _start_broker(self) -> None:
        if self.broker is not None:
            self.broker.start()
            self._open.callback(self.broker.stop)

    def _watch_button(self) -> PauseButton | None:
        if not self.config.privacy.pause_button:
            return None
        from .button import PauseButton

        button = PauseButton(self.config.privacy.pause_button, lambda: self.requests.ask(TOGGLE))
        self._open.callback(button.close)
        self.daemon.checks = [*self.daemon.checks, button.check]
        return button

    def _between(self) -> None:
        """Do what was asked for since the last frame."""
        for name, on in self.requests.take().items():
            if name == RELOAD:
                self._reload()
            elif name == RECORD:
                self._record(on)
            elif name in (PAUSE, TOGGLE):
                self._pause(not self.daemon.paused if name == TOGGLE else on)
        self.daemon.recording = self.recorder.active

    def _pause(self, on: bool) -> None:
        if on == self.daemon.paused:
            return
        self.daemon.pause(on)
        if on:
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
        self.store.limits = limits_of(self.config.store)
        self.pipeline.infer_every_s = between_inferences(self.config)
        self.daemon.aggregate.least_group = self.config.privacy.least_group
        self.daemon.pace = pace_of(self.config)
        set_level(self.config.log.level)
        if self.daemon.health.condition is not Condition.STARTING:  # else the daemon says so, after the first answer
            self._notifier.ready()

    def _publish(self, snapshot: Snapshot) -> None:
        """Keep it for whoever asks, and tell the log when the condition or its reason changed."""
        self._newest = snapshot
        health = snapshot.health
        told = f"{health.condition.value}{': ' + health.reason if health.reason else ''}"
        if health.condition.value != self._health_told:
            log.log(logging.INFO if health.condition.value in ("ok", "starting") else logging.WARNING, told)
            self._health_told = health.condition.value

    def metrics(self) -> str:
        """The text of `/metrics`; from any thread."""
        if self._newest is None:
            return ""
        machine = machine_figures(self.capture, self.classifier, self.daemon.pace)
        return metrics_text(self._newest, [*machine, *store_figures(self.store), *broker_figures(self.broker)])

    def _source_told(self, state: State) -> None:
        """The capture's thread tells of each change."""
        level = logging.WARNING if state.phase is Phase.LOST else logging.INFO
        log.log(level, "source %s%s", state.phase.value, f": {state.reason}" if state.reason else "")

    def _facts(self) -> dict[str, Any]:
        return session_facts(masked(self.config.source.what), self.config.source.fps, self.pipeline)

    def _close_store(self) -> None:
        try:
            self.store.close()
        except FerEdgeError as error:
            log.error("%s", error.message)
