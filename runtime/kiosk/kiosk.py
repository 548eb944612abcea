"""One kiosk: every part opened as the configuration says, joined to the daemon's loop, and closed again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial

from ...errors import FerEdgeError
from ..config import KioskConfig
from ..config.sections import Source
from ..keeping.keeper import Keeper
from ..keeping.places import remember
from ..masking import masked
from ..mqtt.publisher import MqttPublisher
from ..outputs import session_facts
from ..pipeline import Pipeline
from ..sources.capture import Capture
from ..sources.source import Phase, State
from ..status.health import Condition
from ..status.machine import MachineState, machine_metrics
from ..status.parts import broker_metrics, device_metrics, history_metrics, load_metrics, source_metrics
from ..status.prometheus import metrics_text
from ..status.snapshot import Aggregate, Snapshot
from ..storage import queue_path
from ..storage.clock import clock_synchronised
from ..vision.quality_gate import UNSUITABLE
from ..vision.smoothing import UNCERTAIN
from ..web.server import WebServer
from .camera import Camera
from .commands import PAUSE, RECORD, RELOAD, TOGGLE, Requests, read_again
from .daemon import Daemon, DaemonLimits
from .factory import (
    between_inferences,
    keep_days_of,
    open_broker,
    open_capture,
    open_history,
    open_pipelines,
    open_webhook,
    own_topic,
    rate_of,
    retention_of,
    rules_of,
)
from .logs import HealthLog, set_level
from .page import LatestFrame, open_page
from .pause import PauseButton, PauseMark
from .rate_limit import RateLimit
from .recorder import Recorder
from .systemd import Notifier

log = logging.getLogger(__name__)
OpenCapture = Callable[[KioskConfig, Source, Callable[[State], None], Callable[[], None]], Capture]


@dataclass(frozen=True)
class CameraParts:
    """What one camera has for itself."""

    source: Source
    capture: Capture
    pipeline: Pipeline
    recorder: Recorder
    aggregate: Aggregate
    latest: LatestFrame = field(default_factory=LatestFrame)


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
            capture: opens a source; a measurement gives one that does not wait for the clock.

        Raises:
            UsageError, InputError, BundleError kinds: nothing to be mended by waiting; DeviceNotFound, DeviceFailed.
        """
        self.config, self._again, self._notifier = config, again, notifier
        self.requests, self._open, self._arrived = Requests(), ExitStack(), threading.Event()
        self._newest: dict[str, Snapshot] = {}
        try:
            self._open_parts(capture)
            self._open_outputs()
            self.daemon = self._daemon()
            for broker in self.brokers.values():
                broker.start()
            if self.mark.is_set():
                self._pause(True)
        except BaseException:
            self._open.close()
            raise

    def _open_parts(self, capture: OpenCapture) -> None:
        """Sources, pipelines, history and what keeps the limits."""
        config = self.config
        # The sources open while the model is loaded.
        captures = [
            self._open.enter_context(closing(capture(config, source, partial(log_source, name), self._arrived.set)))
            for name, source in config.cameras.items()
        ]
        pipelines, self.classifier = open_pipelines(config, len(captures))
        self._open.enter_context(closing(self.classifier))
        if config.baseline.on:
            log.warning(
                "the resting face of everybody in view is learnt, in memory, as long as they are in view (baseline.on)"
            )
        self.history = open_history(config, self.classifier.labels)
        self._open.callback(self._close_history)
        self.parts = {
            name: self._parts_of(source, captures[number], pipelines[number])
            for number, (name, source) in enumerate(config.cameras.items())
        }
        self.mark = PauseMark(config.store.folder.parent / "paused")
        self.rate_limit = RateLimit(*rate_of(config))

    def _parts_of(self, source: Source, capture: Capture, pipeline: Pipeline) -> CameraParts:
        config, what = self.config, masked(source.what)
        facts = partial(session_facts, f"{source.name} ({what})" if source.name else what, source.fps, pipeline)
        recorder = Recorder(config.record, facts, source.fps, remember=partial(remember, config.store.folder))
        self._open.enter_context(closing(recorder))
        return CameraParts(source, capture, pipeline, recorder, Aggregate(config.privacy.least_group))

    def _open_outputs(self) -> None:
        """Brokers, page and button, each where the configuration wants it."""
        config = self.config
        device = str(self.classifier.describe().get("device", ""))
        self.brokers: dict[str, MqttPublisher] = {}
        if config.mqtt.host:
            log.info("the broker at %s hears of it below %s", config.mqtt.host, own_topic(config))
        for name in self.parts if config.mqtt.host else ():
            self.brokers[name] = open_broker(config, name, self.classifier.labels, device, self.requests)
            self._open.callback(self.brokers[name].stop)
        self.keeper = Keeper(
            config.store.folder,
            lambda: keep_days_of(self.config),
            spare=lambda: [p.recorder.unfinished for p in self.parts.values() if p.recorder.unfinished],
            forget={queue_path(config.store.folder, name): b.forget_before for name, b in self.brokers.items()},
        )
        self._open.callback(self.keeper.close)
        latest = {name: parts.latest for name, parts in self.parts.items()}
        self.page: WebServer | None = open_page(lambda: self.config, self.requests, self.metrics, latest)
        if self.page is not None:
            self._open.callback(self.page.close)
        self.webhook = open_webhook(config)
        if self.webhook is not None:
            self._open.callback(self.webhook.close)
        self.button: PauseButton | None = None
        if config.privacy.pause_button:
            self.button = PauseButton(config.privacy.pause_button, lambda: self.requests.ask(TOGGLE))
            self._open.callback(self.button.close)

    def _camera(self, name: str, parts: CameraParts) -> Camera:
        outputs = [output for output in (self.brokers.get(name), self.page) if output is not None]
        checks = [parts.capture.check, parts.recorder.check]
        if name in self.brokers:
            checks.append(self.brokers[name].check)
        return Camera(
            parts.capture,
            parts.pipeline,
            [self.history.of(name), parts.recorder, parts.latest],
            [self._keep, *(output.publish for output in outputs)],
            name=name,
            checks=checks,
            aggregate=parts.aggregate,
            rules=rules_of(self.config, name, self.classifier.labels, self.brokers.get(name), self.webhook),
        )

    def _daemon(self) -> Daemon:
        parts = (self.history, self.keeper, self.mark, self.button, self.webhook)
        return Daemon(
            [self._camera(name, parts) for name, parts in self.parts.items()],
            self.classifier,
            self._notifier,
            self._arrived,
            tell=HealthLog().tell,
            checks=[part.check for part in parts if part is not None],
            rate_limit=self.rate_limit,
            limits=DaemonLimits(give_up_s=self.config.work.give_up_s),
            between_frames=self._handle_requests,
            recording=lambda: any(parts.recorder.active for parts in self.parts.values()),
            markers=lambda: max(parts.recorder.markers for parts in self.parts.values()),
            clock_ok=clock_synchronised,
            machine=self._machine_state().told,
        )

    def _machine_state(self) -> MachineState:
        from ... import __version__

        model, made = self.classifier.model
        return MachineState(
            __version__, model, made, self.config.store.folder, lambda: self.config.privacy.least_group > 1
        )

    def close(self) -> None:
        """Close every part, whatever the others do; calling it twice is harmless."""
        self._open.close()

    def _handle_requests(self) -> None:
        """Carry out what was asked for since the last frame, and end what a camera that failed cannot end by frames."""
        for camera in self.daemon.cameras:
            if camera.health.condition is Condition.FAILED:
                self.parts[camera.name].recorder.stop("the camera failed")
        for marker in self.requests.take_markers():  # before a request to end the session that they belong to
            for camera in self.daemon.cameras:
                at_s = marker.at_s - camera.frames_ahead_s
                self.parts[camera.name].recorder.mark(marker.name, marker.source, at_s)
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
        for parts in self.parts.values() if on else ():
            parts.latest.close()
            parts.recorder.stop("paused on request")
        self.mark.put(on)
        log.warning("paused on request: no picture is looked at" if on else "the pause is over")

    def _record(self, on: bool) -> None:
        for parts in self.parts.values():
            if on and not self.daemon.paused:
                parts.recorder.start()
            elif not on:
                parts.recorder.stop()

    def _reload(self) -> None:
        self._notifier.reloading()
        self.config = read_again(self.config, self._again)
        self.history.limits = retention_of(self.config.store)
        for parts in self.parts.values():
            parts.pipeline.turns.every_s = between_inferences(self.config)
            parts.pipeline.turns.per_frame = self.config.work.faces_per_frame
            parts.aggregate.least_group = self.config.privacy.least_group
        self.rate_limit.set(*rate_of(self.config))
        set_level(self.config.log.level)
        if self.daemon.health.condition is not Condition.STARTING:  # else the daemon says so, after the first answer
            self._notifier.ready()

    def _keep(self, snapshot: Snapshot) -> None:
        """Keep the newest for `/metrics`."""
        self._newest = {**self._newest, snapshot.camera: snapshot}

    def metrics(self) -> str:
        """The text of `/metrics`; from any thread."""
        newest = [self._newest[name] for name in self.parts if name in self._newest]
        captures = {name: parts.capture for name, parts in self.parts.items()}
        more = [*source_metrics(captures), *device_metrics(self.classifier), *broker_metrics(self.brokers)]
        more += machine_metrics(newest[0].machine) if newest else []
        if not any(parts.aggregate.withholds for parts in self.parts.values()):
            more += [*load_metrics(self.rate_limit), *history_metrics(self.history)]
        return metrics_text(newest, more, (*self.classifier.labels, UNCERTAIN, UNSUITABLE)) if newest else ""

    def _close_history(self) -> None:
        try:
            self.history.close()
        except FerEdgeError as error:
            log.error("%s", error.message)


def log_source(name: str, state: State) -> None:
    """Called by a capture's thread at each change of its camera."""
    level = logging.WARNING if state.phase is Phase.LOST else logging.INFO
    words = f"source {name}".rstrip()
    log.log(level, "%s %s%s", words, state.phase.value, f": {state.reason}" if state.reason else "")
