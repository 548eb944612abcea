"""The kiosk's loop: takes the newest frame, works on it, tells how it is, and knows when to give up.

Everything around it is given: where frames come from, what is done with observations, whom to tell. So a test runs it
with a clip and a clock of its own, and the service with a camera, a store and a broker.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import monotonic, time
from typing import Protocol

import numpy as np

from ...errors import DeviceFailed, OutputError
from ..inference.classifier import Classifier
from ..pipeline import Pipeline, Sink
from ..status.aggregate import Aggregate
from ..status.health import Condition, Health
from ..status.snapshot import Snapshot
from ..types import Frame, Observation, Stamped
from .rate_limit import Pace
from .systemd import Notifier

TAKE_S = 0.5
"""How long a frame is waited for before the daemon looks after everything else."""
GAVE_UP = 4
"""Exit code when the camera or the device did not come back; systemd starts the service again."""


class Frames(Protocol):
    """Where the newest frame comes from."""

    dropped: int
    """Frames that a newer one replaced before anybody took them."""

    def take(self, timeout_s: float) -> Stamped | None:
        """The newest frame that was not taken yet, or None when none comes in time."""

    def ended(self) -> bool:
        """Whether no frame will ever come again, as at the end of a file."""


@dataclass(frozen=True)
class Limits:
    """Of the daemon's patience, in seconds.

    Attributes:
        publish_every_s: between two snapshots at most; soonest_s: at least, when what is told of the faces changed.
        self_test_s: without a face for so long, a blank crop is classified to see that the device answers.
        give_up_s: without a frame or an answer for so long, the daemon ends. Before systemd's watchdog does: an end of
            one's own has a reason.
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
        pace: Pace | None = None,
        limits: Limits = Limits(),
        between: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = monotonic,
        clock_ok: Callable[[], bool] = lambda: True,
    ) -> None:
        """Put the parts together.

        Args:
            sinks: take observations; an OutputError of theirs degrades the kiosk and does not end it.
            publish: take snapshots; must return at once.
            checks: each says in a sentence what is wrong with its part, or nothing.
            between: called before each frame; what was asked for meanwhile is done there.
        """
        self.frames, self.pipeline, self.classifier = frames, pipeline, classifier
        self.sinks, self.publish, self.notifier, self.checks = sinks, publish, notifier, checks
        self.aggregate, self.pace, self.limits = aggregate or Aggregate(), pace or Pace(), limits
        self._between, self._clock, self._clock_ok = between, clock, clock_ok
        self._stop = threading.Event()
        self.paused = self.recording = False
        self.newest: tuple[Frame, Sequence[Observation]] | None = None
        """What was looked at last, in memory; for a preview."""
        now = clock()
        self.health = Health(Condition.STARTING, "no frame yet", now)
        self._last_frame_s = self._last_answer_s = self._last_told_s = now
        self._answered = False
        self._device_fault = self._sink_fault = ""
        self._told_frames, self._told_seconds = 0, dict[str, float]()
        self._told_shares: tuple[object, ...] = ()
        self._told_condition: Condition | None = None
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
            self._stop.wait(self.pace.rest_s())
        self.notifier.stopping()
        self._tell(self._clock())
        return code

    def step(self) -> None:
        """What was asked for, one frame at most, then health, systemd and snapshots."""
        self._between()
        stamped = self.frames.take(TAKE_S)
        now = self._clock()
        if stamped is not None:
            self._last_frame_s = now
            if not self.paused:
                self._work(stamped)
        self._test_device()
        now = self._clock()
        self._judge(now)
        self._live(stamped is not None)
        if self._due(now):
            self._tell(now)

    def pause(self, on: bool) -> None:
        """Look at no picture, and let go of what was seen; or go on."""
        self.paused = on
        if on:
            self.newest = None
            self.aggregate.clear()

    def _due(self, now: float) -> bool:
        """Whether to tell: a change of condition at once, of what is shown soon, everything else now and then."""
        passed = now - self._last_told_s
        if passed >= self.limits.publish_every_s or self.health.condition is not self._told_condition:
            return True
        return passed >= self.limits.soonest_s and self._shown() != self._told_shares

    def _shown(self) -> tuple[object, ...]:
        return self.aggregate.faces(), dict(self.aggregate.shares()), self.paused, self.recording

    def _work(self, stamped: Stamped) -> None:
        tally = self.pipeline.tally
        before = self.pipeline.tally.seconds["infer"]
        try:
            seen = self.pipeline.process(stamped.frame)
        except DeviceFailed as error:
            self._device_fault = error.message
            return
        if tally.seconds["infer"] > before:
            self._answer()
        with tally.timing("publish"):
            for sink in self.sinks:
                try:
                    sink.write(stamped.frame, seen)
                    self._sink_fault = ""
                except OutputError as error:
                    self._sink_fault = error.message
        self.newest = stamped.frame, seen
        now = self._clock()
        self.aggregate.update(now, seen)
        self._latency_s.append(now - stamped.at_s)

    def _test_device(self) -> None:
        """Without a face the device would never be asked, and its end never noticed."""
        due = 0.0 if not self._answered else self.limits.self_test_s
        if self._clock() - self._last_answer_s < due:
            return
        size = self.classifier.size
        try:
            self.classifier.probabilities(np.zeros((1, size, size, 3), np.uint8))
        except DeviceFailed as error:
            self._device_fault = error.message
        else:
            self._answer()

    def _answer(self) -> None:
        self._answered, self._device_fault, self._last_answer_s = True, "", self._clock()

    def _judge(self, now: float) -> None:
        """The condition, from what is missing and what the parts say."""
        waited_frame, waited_answer = now - self._last_frame_s, now - self._last_answer_s
        reasons = [self._device_fault, self._sink_fault, *(check() for check in self.checks)]
        if self.classifier.describe().get("degraded"):
            reasons.append("the processor stands in for the device")
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
        if condition is not self.health.condition:
            if self.health.condition is Condition.STARTING and condition is not Condition.FAILED:
                self.notifier.ready()
            self.health = Health(condition, reason, now)
            self.notifier.status(f"{condition.value}{': ' + reason if reason else ''}")
        else:
            self.health = replace(self.health, reason=reason)

    def _live(self, framed: bool) -> None:
        """Systemd hears of us only when a frame came and the device answered within its self-test's time."""
        answered = self._clock() - self._last_answer_s <= self.limits.self_test_s + TAKE_S
        if framed and answered and self._answered and not self._device_fault:
            self.notifier.alive()

    def _tell(self, now: float) -> None:
        snapshot = self.snapshot(now)
        self._last_told_s, self._told_shares, self._told_condition = now, self._shown(), self.health.condition
        self._told_frames = self.pipeline.tally.frames
        self._told_seconds = dict(self.pipeline.tally.seconds)
        self._latency_s.clear()
        for publish in self.publish:
            publish(snapshot)

    def snapshot(self, now: float) -> Snapshot:
        """What the outside may know now; speeds are of the time since the last one."""
        tally = self.pipeline.tally
        count, passed = tally.frames - self._told_frames, max(now - self._last_told_s, 1e-6)
        spent = {s: v - self._told_seconds.get(s, 0.0) for s, v in tally.seconds.items()}
        self.aggregate.forget(now)
        about = self.classifier.describe()
        return Snapshot(
            wall_s=time(),
            clock_ok=self._clock_ok(),
            health=self.health,
            faces=self.aggregate.faces(),
            shares=self.aggregate.shares(),
            window=self.aggregate.window(),
            frames=tally.frames,
            dropped=self.frames.dropped,
            fps=count / passed,
            stages_ms={s: 1000 * v / count for s, v in spent.items()} if count else {},
            latency_ms=1000 * sum(self._latency_s) / len(self._latency_s) if self._latency_s else None,
            device={k: about[k] for k in ("backend", "device", "degraded", "restarts", "precision") if k in about},
            paused=self.paused,
            recording=self.recording,
        )
