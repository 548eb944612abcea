"""The kiosk's loop: a round takes the newest frame of each camera, has the model see all faces together, and publishes
how everything is; and it knows when to give up.

Cameras, publishers and the clock are handed in. So a test runs it with a clip and a clock of its own, and the service
with cameras, a store and a broker. One camera is the case of one in a round.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

import numpy as np

from ...errors import DeviceFailed, NotFinite
from ..inference.classifier import Classifier
from ..pipeline import process_together
from ..status.health import Condition, Health, overall
from ..types import Stamped
from .camera import TAKE_S, Camera, Moment, Shared
from .rate_limit import RateLimit
from .systemd import Notifier

GAVE_UP = 4
"""Exit code when no camera, or the device, came back; systemd starts the service again."""
TOLD = ("backend", "device", "asked", "passed_over", "degraded", "restarts", "precision")
"""What is published of what serves."""


@dataclass(frozen=True)
class DaemonLimits:
    """How often the daemon publishes and how long it waits, in seconds.

    Attributes:
        publish_every_s: between two snapshots of a camera at most; soonest_s: at least, when the published faces
            changed.
        self_test_s: without a face for so long, a blank crop is classified to see that the device answers.
        give_up_s: without a frame for so long, a camera has failed; when all have, or the device gave no answer, the
            daemon ends. Less than systemd's watchdog waits, so that the log has a reason.
    """

    publish_every_s: float = 1.0
    soonest_s: float = 0.2
    self_test_s: float = 10.0
    give_up_s: float = 25.0


class Daemon:
    """One kiosk, from start to end."""

    def __init__(
        self,
        cameras: Sequence[Camera],
        classifier: Classifier,
        notifier: Notifier,
        arrived: threading.Event,
        *,
        tell: Callable[[Health], None] = lambda health: None,
        checks: Sequence[Callable[[], str]] = (),
        rate_limit: RateLimit | None = None,
        limits: DaemonLimits = DaemonLimits(),
        between_frames: Callable[[], None] = lambda: None,
        recording: Callable[[], bool] = lambda: False,
        markers: Callable[[], int] = lambda: 0,
        clock: Callable[[], float] = monotonic,
        clock_ok: Callable[[], bool] = lambda: True,
        machine: Callable[[], Mapping[str, object]] = dict,
    ) -> None:
        """Put the parts together.

        Args:
            cameras: with different names; their pipelines share the classifier.
            arrived: is set whenever a camera has a new frame.
            tell: takes the whole kiosk's health whenever a snapshot is published.
            checks: each says in a sentence what is wrong with a part that serves all cameras, or nothing.
            between_frames: called before each round; what was requested meanwhile is done there.
            recording: whether a session is being recorded.
            machine: what is told of software, model, heat and disk.
            markers: how many are in it.
        """
        self.cameras, self.classifier, self.notifier, self.checks = cameras, classifier, notifier, checks
        self.limits, self._arrived, self._tell = limits, arrived, tell
        self._rate_limit, self._recording = rate_limit or RateLimit(), recording
        self._markers = markers
        self._between_frames, self._clock, self._clock_ok = between_frames, clock, clock_ok
        self._machine = machine
        self._stop = threading.Event()
        self.paused = False
        now = clock()
        self.health = Health(Condition.STARTING, "no frame yet", now)
        self._last_answer_s, self._answered, self._device_fault = now, False, ""

    def stop(self) -> None:
        """End after the round at hand; may be called from a signal handler or another thread."""
        self._stop.set()

    def run(self) -> int:
        """Work until stopped (0), every source ends (0), or giving up (4)."""
        code = 0
        while not self._stop.is_set() and not all(camera.frames.ended() for camera in self.cameras):
            self.step()
            if self.health.condition is Condition.FAILED:
                code = GAVE_UP
                break
            self._stop.wait(self._rate_limit.rest_s())
        self.notifier.stopping()
        self._publish(self._clock(), self.cameras)
        return code

    def step(self) -> None:
        """Requests, a frame of each camera at most, then health, systemd's watchdog and the snapshots that are due."""
        self._between_frames()
        self._arrived.clear()  # before looking: what comes after the look ends the wait
        taken = self._take()
        if not taken:
            self._arrived.wait(TAKE_S)
            taken = self._take()
        if taken and not self.paused:
            self._process(taken)
        self._test_device()
        now = self._clock()
        self._assess(now)
        self._feed_watchdog(bool(taken))
        self._publish(now, [camera for camera in self.cameras if self._is_due(camera, now)])

    def pause(self, on: bool) -> None:
        """Process no frame, and forget what was seen; or go on."""
        self.paused = on
        if on:
            for camera in self.cameras:
                camera.forget()

    def _take(self) -> list[tuple[Camera, Stamped]]:
        """One frame of each camera that has a new one: however fast another is, each has its turn in every round."""
        found = ((camera, camera.take()) for camera in self.cameras)
        return [(camera, stamped) for camera, stamped in found if stamped is not None]

    def _process(self, taken: Sequence[tuple[Camera, Stamped]]) -> None:
        before = self._asked_s()
        try:
            seen = process_together([(camera.pipeline, stamped.frame) for camera, stamped in taken])
        except DeviceFailed as error:
            self._device_fault = error.message
            return
        if self._asked_s() > before:
            self._answered_now()
        for (camera, stamped), observations in zip(taken, seen, strict=True):
            camera.keep(stamped, observations)

    def _asked_s(self) -> float:
        """Seconds that the device has worked for all cameras."""
        return sum(camera.pipeline.tally.seconds["infer"] for camera in self.cameras)

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
        """Have each camera say how it is, and the whole from that."""
        waited, limit = now - self._last_answer_s, self.limits.give_up_s
        gone = self._device_fault and waited > limit
        about = self.classifier.describe()
        shared = Shared(
            answered=self._answered,
            fault=self._device_fault,
            gone=f"no answer for {waited:.0f} s: {self._device_fault}" if gone else "",
            troubles=[
                *(check() for check in self.checks),
                "the processor stands in for the device" if about.get("degraded") else "",
                _passed_over(about),
            ],
        )
        for camera in self.cameras:
            camera.assess(now, shared, limit)
        self._become(overall({camera.name: camera.health for camera in self.cameras}))

    def _become(self, health: Health) -> None:
        before, self.health = self.health, health
        if before.condition is Condition.STARTING and health.condition not in (Condition.STARTING, Condition.FAILED):
            self.notifier.ready()
        if str(health) != str(before):
            self.notifier.status(str(health))

    def _feed_watchdog(self, framed: bool) -> None:
        """Only when a frame came and the device answered within the self-test's time."""
        answered = self._clock() - self._last_answer_s <= self.limits.self_test_s + TAKE_S
        if framed and answered and self._answered and not self._device_fault:
            self.notifier.alive()

    def _is_due(self, camera: Camera, now: float) -> bool:
        limits = self.limits
        return camera.is_due(now, limits.soonest_s, limits.publish_every_s, self.paused, self._recording())

    def _publish(self, now: float, cameras: Sequence[Camera]) -> None:
        """Tell what is so now of these cameras."""
        if not cameras:
            return
        moment = self.moment(now)
        for camera in cameras:
            camera.tell(moment)
        self._tell(self.health)

    def moment(self, now: float) -> Moment:
        """What snapshots tell of the kiosk itself."""
        for camera in self.cameras:
            camera.aggregate.forget(now)
        about = self.classifier.describe()
        return Moment(
            now_s=now,
            device={k: about[k] for k in TOLD if k in about},
            speeds=all(camera.aggregate.faces() is not None for camera in self.cameras),
            paused=self.paused,
            recording=self._recording(),
            clock_ok=self._clock_ok(),
            machine=self._machine(),
            markers=self._markers(),
        )


def _passed_over(about: Mapping[str, Any]) -> str:
    """That OpenVINO chose another device than one that is there, or nothing."""
    if not about.get("passed_over"):
        return ""
    return f"OpenVINO's {about['asked']} took {about['device']} and passed over {about['passed_over']}"
