"""The kiosk's loop: takes the newest frame, processes it, publishes how it is, and knows when to give up.

Frames, sinks, publishers and the clock are handed in. So a test runs it with a clip and a clock of its own, and the
service with a camera, a store and a broker.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic, time
from typing import Protocol

import numpy as np

from ...errors import DeviceFailed, NotFinite, OutputError
from ..inference.classifier import Classifier
from ..pipeline import Pipeline, Sink
from ..status.snapshot import Aggregate, Condition, Health, Snapshot
from ..types import Stamped
from ..vision.resting_face import OwnRest
from .rate_limit import RateLimit
from .systemd import Notifier

TAKE_S = 0.5
"""How long a frame is waited for before the daemon looks after everything else."""
NOT_FINITE_S = 600.0
"""So long after an answer that was no finite number the kiosk says so."""
GAVE_UP = 4
"""Exit code when the camera or the device did not come back; systemd starts the service again."""
TOLD = ("backend", "device", "asked", "passed_over", "degraded", "restarts", "precision", "detector", "baseline")
"""What is published of what serves."""


class Frames(Protocol):
    """Where the newest frame comes from."""

    dropped: int
    """Frames that a newer one replaced before anybody took them."""

    def take(self, timeout_s: float) -> Stamped | None:
        """The newest frame that was not taken yet, or None when none comes in time."""

    def ended(self) -> bool:
        """Whether no frame will ever come again, as at the end of a file."""


@dataclass(frozen=True)
class DaemonLimits:
    """How often the daemon publishes and how long it waits, in seconds.

    Attributes:
        publish_every_s: between two snapshots at most; soonest_s: at least, when the published faces changed.
        self_test_s: without a face for so long, a blank crop is classified to see that the device answers.
        give_up_s: without a frame or an answer for so long, the daemon ends. Less than systemd's watchdog waits, so
            that the log has a reason.
    """

    publish_every_s: float = 1.0
    soonest_s: float = 0.2
    self_test_s: float = 10.0
    give_up_s: float = 25.0


class Daemon:
    """One kiosk, from start to end."""

    def __init__(
        self,
        frames: Frames,
        pipeline: Pipeline,
        classifier: Classifier,
        sinks: Sequence[Sink],
        publish: Sequence[Callable[[Snapshot], None]],
        notifier: Notifier,
        *,
        checks: Sequence[Callable[[], str]] = (),
        aggregate: Aggregate | None = None,
        rate_limit: RateLimit | None = None,
        limits: DaemonLimits = DaemonLimits(),
        between_frames: Callable[[], None] = lambda: None,
        recording: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = monotonic,
        clock_ok: Callable[[], bool] = lambda: True,
    ) -> None:
        """Put the parts together.

        Args:
            sinks: take observations; an OutputError of theirs degrades the kiosk and does not end it.
            publish: take snapshots; must return at once.
            checks: each says in a sentence what is wrong with its part, or nothing.
            between_frames: called before each frame; what was requested meanwhile is done there.
            recording: whether a session is being recorded.
        """
        self.frames, self.pipeline, self.classifier = frames, pipeline, classifier
        self.sinks, self.publish, self.notifier, self.checks = sinks, publish, notifier, checks
        self.aggregate, self.limits = aggregate or Aggregate(), limits
        self._rate_limit, self._recording = rate_limit or RateLimit(), recording
        self._between_frames, self._clock, self._clock_ok = between_frames, clock, clock_ok
        self._stop = threading.Event()
        self.paused = False
        now = clock()
        self.health = Health(Condition.STARTING, "no frame yet", now)
        self._last_frame_s = self._last_answer_s = self._last_published_s = now
        self._not_finite, self._not_finite_s = 0, float("-inf")
        self._answered = False
        self._device_fault = self._sink_fault = ""
        self._published_frames, self._published_seconds = 0, dict[str, float]()
        self._published_faces: tuple[object, ...] = ()
        self._speeds_told = False
        self._published_condition: Condition | None = None
        self._latency_s: list[float] = []

    def stop(self) -> None:
        """End after the frame at hand; may be called from a signal handler or another thread."""
        self._stop.set()

    def run(self) -> int:
        """Work until stopped (0), the source ends (0), or giving up (4)."""
        code = 0
        while not self._stop.is_set() and not self.frames.ended():
            self.step()
            if self.health.condition is Condition.FAILED:
                code = GAVE_UP
                break
            self._stop.wait(self._rate_limit.rest_s())
        self.notifier.stopping()
        self._publish(self._clock())
        return code

    def step(self) -> None:
        """Requests, one frame at most, then health, systemd's watchdog and a snapshot when one is due."""
        self._between_frames()
        stamped = self.frames.take(TAKE_S)
        now = self._clock()
        if stamped is not None:
            self._last_frame_s = now
            if not self.paused:
                self._process(stamped)
        self._test_device()
        now = self._clock()
        self._assess(now)
        self._feed_watchdog(stamped is not None)
        if self._is_due(now):
            self._publish(now)

    def pause(self, on: bool) -> None:
        """Process no frame, and forget what was seen; or go on."""
        self.paused = on
        if on:
            self.aggregate.clear()

    def _is_due(self, now: float) -> bool:
        """Whether a snapshot is due: at once for a new condition, soon for other faces, else once an interval."""
        passed = now - self._last_published_s
        if passed >= self.limits.publish_every_s or self.health.condition is not self._published_condition:
            return True
        return passed >= self.limits.soonest_s and self._faces() != self._published_faces

    def _faces(self) -> tuple[object, ...]:
        return self.aggregate.faces(), dict(self.aggregate.shares()), self.paused, self._recording()

    def _process(self, stamped: Stamped) -> None:
        tally = self.pipeline.tally
        before = self.pipeline.tally.seconds["infer"]
        try:
            seen = self.pipeline.process(stamped.frame)
        except DeviceFailed as error:
            self._device_fault = error.message
            return
        if tally.seconds["infer"] > before:
            self._answered_now()
        if tally.not_finite > self._not_finite:
            self._not_finite, self._not_finite_s = tally.not_finite, self._clock()
        with tally.timing("publish"):
            for sink in self.sinks:
                try:
                    sink.write(stamped.frame, seen)
                    self._sink_fault = ""
                except OutputError as error:
                    self._sink_fault = error.message
        now = self._clock()
        self.aggregate.update(now, seen)
        self._latency_s.append(now - stamped.at_s)

    def _test_device(self) -> None:
        """Classify a blank crop when no face came for long: without one a dead device would go unnoticed."""
        due = 0.0 if not self._answered else self.limits.self_test_s
        if self._clock() - self._last_answer_s < due:
            return
        size = self.classifier.size
        try:
            self.classifier.probabilities(np.zeros((1, size, size, 3), np.uint8))
        except NotFinite:  # a graph may divide by a picture's spread, and a blank one has none
            self._answered_now()
        except DeviceFailed as error:
            self._device_fault = error.message
        else:
            self._answered_now()

    def _answered_now(self) -> None:
        self._answered, self._device_fault, self._last_answer_s = True, "", self._clock()

    def _assess(self, now: float) -> None:
        """Set the condition from missing frames and answers and from what the checks say."""
        waited_frame, waited_answer = now - self._last_frame_s, now - self._last_answer_s
        reasons = [self._device_fault, self._sink_fault, *(check() for check in self.checks)]
        about = self.classifier.describe()
        if about.get("degraded"):
            reasons.append("the processor stands in for the device")
        if about.get("passed_over"):
            reasons.append(f"OpenVINO's {about['asked']} took {about['device']} and passed over {about['passed_over']}")
        if now - self._not_finite_s <= NOT_FINITE_S:
            reasons.append("the model's answers were no finite numbers (NaN) at times; they were left out")
        first = next((reason for reason in reasons if reason), "")
        if waited_frame > self.limits.give_up_s:
            self._become(Condition.FAILED, f"no frame for {waited_frame:.0f} s", now)
        elif self._device_fault and waited_answer > self.limits.give_up_s:
            self._become(Condition.FAILED, f"no answer for {waited_answer:.0f} s: {self._device_fault}", now)
        elif self.pipeline.tally.frames == 0 or not self._answered:
            self._become(Condition.STARTING, first or "no frame yet", now)
        elif waited_frame > 2 * TAKE_S:
            self._become(Condition.DEGRADED, first or f"no frame for {waited_frame:.0f} s", now)
        else:
            self._become(Condition.DEGRADED if first else Condition.OK, first, now)

    def _become(self, condition: Condition, reason: str, now: float) -> None:
        before = self.health
        self.health = Health(condition, reason, before.since_s if condition is before.condition else now)
        if before.condition is Condition.STARTING and condition not in (Condition.STARTING, Condition.FAILED):
            self.notifier.ready()
        if str(self.health) != str(before):
            self.notifier.status(str(self.health))

    def _feed_watchdog(self, framed: bool) -> None:
        """Only when a frame came and the device answered within the self-test's time."""
        answered = self._clock() - self._last_answer_s <= self.limits.self_test_s + TAKE_S
        if framed and answered and self._answered and not self._device_fault:
            self.notifier.alive()

    def _publish(self, now: float) -> None:
        snapshot = self.snapshot(now)
        self._last_published_s, self._published_condition = now, self.health.condition
        self._published_faces, self._speeds_told = self._faces(), self.aggregate.faces() is not None
        self._published_frames = self.pipeline.tally.frames
        self._published_seconds = dict(self.pipeline.tally.seconds)
        self._latency_s.clear()
        for publish in self.publish:
            publish(snapshot)

    def snapshot(self, now: float) -> Snapshot:
        """What may be published now; speeds are over the time since the last snapshot.

        Work takes longer with a face than without, and shows in every speed. So with a least group they are told only
        when enough faces were there then and are now, and `frames` are those that came, looked at or not.
        """
        tally = self.pipeline.tally
        count, passed = tally.frames - self._published_frames, max(now - self._last_published_s, 1e-6)
        spent = {s: v - self._published_seconds.get(s, 0.0) for s, v in tally.seconds.items()}
        self.aggregate.forget(now)
        about = {**self.classifier.describe(), "detector": self.pipeline.detector.name}
        if isinstance(self.pipeline.resting, OwnRest) and self.aggregate.faces():
            about["baseline"] = self.pipeline.resting.state
        withholds, told = self.aggregate.withholds, self._speeds_told and self.aggregate.faces() is not None
        speeds = told or not withholds
        return Snapshot(
            wall_s=time(),
            clock_ok=self._clock_ok(),
            health=self.health,
            faces=None if self.paused else self.aggregate.faces(),
            shares=self.aggregate.shares(),
            window=self.aggregate.window(),
            told=self.aggregate.told(),
            frames=tally.frames + (self.frames.dropped if withholds else 0),
            dropped=None if withholds else self.frames.dropped,
            fps=count / passed if speeds else None,
            stages_ms={s: 1000 * v / count for s, v in spent.items()} if count and speeds else {},
            latency_ms=1000 * sum(self._latency_s) / len(self._latency_s) if self._latency_s and speeds else None,
            device={k: about[k] for k in TOLD if k in about},
            paused=self.paused,
            recording=self._recording(),
        )
