"""One camera of a kiosk: its frames, the pipeline that remembers its faces, how it is, and what may be told of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic, time
from typing import Protocol

from ...errors import OutputError
from ..pipeline import Pipeline, Sink
from ..rules.camera_rules import CameraRules
from ..status.health import Condition, Health
from ..status.snapshot import Aggregate, Snapshot
from ..types import Observation, Stamped
from ..vision.resting_face import OwnRest

TAKE_S = 0.5
"""How long a frame is waited for before the daemon looks after everything else."""
NOT_FINITE_S = 600.0
"""So long after an answer that was no finite number the kiosk says so."""


class Frames(Protocol):
    """Where the newest frame comes from."""

    dropped: int
    """Frames that a newer one replaced before anybody took them."""

    def take(self, timeout_s: float) -> Stamped | None:
        """The newest frame that was not taken yet, or None when none comes in time."""

    def ended(self) -> bool:
        """Whether no frame will ever come again, as at the end of a file."""


@dataclass(frozen=True)
class Shared:
    """What the cameras of a kiosk have in common at one moment.

    Attributes:
        answered: the device has answered since the start.
        fault: why the device does not answer now, or "".
        gone: why the kiosk gives the device up, or "".
        troubles: what is wrong with everything else that serves all cameras.
    """

    answered: bool = True
    fault: str = ""
    gone: str = ""
    troubles: Sequence[str] = ()


@dataclass(frozen=True)
class Moment:
    """What a snapshot tells of the kiosk beside what it tells of the camera.

    Attributes:
        now_s: monotonic seconds.
        device: what serves, as `Classifier.describe` says it.
        speeds: enough faces are before every camera to tell how fast the work is: the cameras share one model, so
            that each one's speeds tell of all.
        paused, recording, clock_ok, machine, markers: as in Snapshot.
    """

    now_s: float
    device: Mapping[str, object]
    speeds: bool
    paused: bool
    recording: bool
    clock_ok: bool
    machine: Mapping[str, object]
    markers: int = 0


class Camera:
    """Its frames on their way in, and what is told of them on its way out."""

    def __init__(
        self,
        frames: Frames,
        pipeline: Pipeline,
        sinks: Sequence[Sink] = (),
        publish: Sequence[Callable[[Snapshot], None]] = (),
        *,
        name: str = "",
        checks: Sequence[Callable[[], str]] = (),
        aggregate: Aggregate | None = None,
        rules: CameraRules | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Put the parts together.

        Args:
            sinks: take observations; an OutputError of theirs degrades the camera and does not end it.
            publish: take snapshots; must return at once.
            name: in the configuration; empty where there is no other camera.
            checks: each says in a sentence what is wrong with its part, or nothing.
        """
        self.frames, self.pipeline, self.sinks, self.publish = frames, pipeline, sinks, publish
        self.name, self.checks, self.aggregate, self._clock = name, checks, aggregate or Aggregate(), clock
        self.rules = rules or CameraRules((), ())
        now = clock()
        self.health = Health(Condition.STARTING, "no frame yet", now)
        self._last_frame_s = self._published_s = now
        self._not_finite, self._not_finite_s = 0, float("-inf")
        self._sink_fault = ""
        self._published_frames, self._published_seconds = 0, dict[str, float]()
        self._published: tuple[object, ...] = ()
        self._published_condition: Condition | None = None
        self._speeds_told = False
        self._latency_s: list[float] = []
        self.frames_ahead_s = 0.0
        """Monotonic seconds minus the frames' own time."""

    def take(self) -> Stamped | None:
        """The newest frame, if there is one that was not taken yet."""
        stamped = self.frames.take(0.0)
        if stamped is not None:
            self._last_frame_s = self._clock()
        return stamped

    def keep(self, stamped: Stamped, seen: Sequence[Observation]) -> None:
        """Hand what was seen in a frame to the sinks, and count it in."""
        tally = self.pipeline.tally
        self.frames_ahead_s = stamped.at_s - stamped.frame.time_s
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
        self.rules.see(now, self.aggregate)
        self._latency_s.append(now - stamped.at_s)

    def forget(self) -> None:
        """Forget what was seen, as at a pause."""
        self.aggregate.clear()
        self.rules.clear()

    def assess(self, now: float, shared: Shared, give_up_s: float) -> None:
        """Set the condition from missing frames and answers and from what the checks say."""
        waited = now - self._last_frame_s
        silent = "its file was read to the end" if self.frames.ended() else f"no frame for {waited:.0f} s"
        first = next((reason for reason in (shared.fault, *self._troubles(now), *shared.troubles) if reason), "")
        if waited > give_up_s:
            self._become(Condition.FAILED, silent, now)
        elif shared.gone:
            self._become(Condition.FAILED, shared.gone, now)
        elif self.pipeline.tally.frames == 0 or not shared.answered:
            self._become(Condition.STARTING, first or (silent if self.frames.ended() else "no frame yet"), now)
        elif waited > 2 * TAKE_S:
            self._become(Condition.DEGRADED, first or silent, now)
        else:
            self._become(Condition.DEGRADED if first else Condition.OK, first, now)

    def _troubles(self, now: float) -> Sequence[str]:
        not_finite = now - self._not_finite_s <= NOT_FINITE_S
        return (
            self._sink_fault,
            *(check() for check in self.checks),
            "the model's answers were no finite numbers (NaN) at times; they were left out" if not_finite else "",
        )

    def _become(self, condition: Condition, reason: str, now: float) -> None:
        self.health = Health(condition, reason, self.health.since_s if condition is self.health.condition else now)

    def is_due(self, now: float, soonest_s: float, every_s: float, paused: bool, recording: bool) -> bool:
        """Whether a snapshot is due: at once for a new condition, soon for other faces, else once an interval."""
        passed = now - self._published_s
        if passed >= every_s or self.health.condition is not self._published_condition:
            return True
        return passed >= soonest_s and self._told(paused, recording) != self._published

    def _told(self, paused: bool, recording: bool) -> tuple[object, ...]:
        return self.aggregate.faces(), dict(self.aggregate.shares()), paused, recording, self.rules.recent

    def tell(self, moment: Moment) -> None:
        """Publish a snapshot; the next one's speeds count from here."""
        snapshot = self.snapshot(moment)
        self._published_s, self._published_condition = moment.now_s, self.health.condition
        self._published, self._speeds_told = self._told(moment.paused, moment.recording), moment.speeds
        self._published_frames = self.pipeline.tally.frames
        self._published_seconds = dict(self.pipeline.tally.seconds)
        self._latency_s.clear()
        for publish in self.publish:
            publish(snapshot)

    def snapshot(self, moment: Moment) -> Snapshot:
        """What may be published now; speeds are over the time since the last snapshot.

        Work takes longer with a face than without, and shows in every speed. So with a least group they are told only
        when enough faces were there then and are now, and `frames` are those that came, looked at or not.
        """
        tally, aggregate = self.pipeline.tally, self.aggregate
        count, passed = tally.frames - self._published_frames, max(moment.now_s - self._published_s, 1e-6)
        spent = {s: v - self._published_seconds.get(s, 0.0) for s, v in tally.seconds.items()}
        withholds = aggregate.withholds
        speeds = (self._speeds_told and moment.speeds) or not withholds
        device = {**moment.device, "detector": self.pipeline.detector.name}
        if isinstance(self.pipeline.resting, OwnRest) and aggregate.faces():
            device["baseline"] = self.pipeline.resting.state
        return Snapshot(
            wall_s=time(),
            clock_ok=moment.clock_ok,
            health=self.health,
            camera=self.name,
            faces=None if moment.paused else aggregate.faces(),
            shares=aggregate.shares(),
            window=aggregate.window(),
            told=aggregate.told(),
            frames=tally.frames + (self.frames.dropped if withholds else 0),
            dropped=None if withholds else self.frames.dropped,
            fps=count / passed if speeds else None,
            stages_ms={s: 1000 * v / count for s, v in spent.items()} if count and speeds else {},
            latency_ms=1000 * sum(self._latency_s) / len(self._latency_s) if self._latency_s and speeds else None,
            device=device,
            machine=moment.machine,
            paused=moment.paused,
            recording=moment.recording,
            rules=self.rules.recent,
            markers=moment.markers,
        )
