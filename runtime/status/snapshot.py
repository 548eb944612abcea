"""What a kiosk publishes of a camera at a moment: aggregates, health, timings; its JSON. No face, box, track number."""

from __future__ import annotations

import json
import math
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ..types import Observation
from ..vision.quality_gate import UNSUITABLE
from .health import Health


@dataclass(frozen=True)
class Snapshot:
    """One camera of a kiosk at one moment.

    Attributes:
        camera: its name in the configuration; empty where there is no other.
        wall_s: seconds since 1970; clock_ok says whether the clock was synchronised.
        faces: how many are in view; None while paused, and when fewer than the least group size are, none among them,
            and not published.
        shares: label -> share 0..1 of the faces in view (smoothed labels and `uncertain`); empty when not published.
        window: label -> share over the last minute, empty when not published.
        told: label -> observations since the start that went into published shares; None while not published.
        frames, dropped: since the start; fps: of the last seconds. dropped and fps may be None, as a machine that is
            slower with a face would tell of it: see `Camera.snapshot`.
        stages_ms: stage -> mean milliseconds of the last seconds; latency_ms from capture to publishing; as fps.
        device: what `Classifier.describe` says, without paths, and the `detector`.
        paused: no picture is looked at, on request.
        recording: a session is being recorded, on request.
        machine: what `MachineState.told` says; the same for all cameras of a kiosk.
        markers: of the session that is recorded.
        rules: the last that the page was told of, as `camera_rules.told_of` has them.
    """

    wall_s: float
    clock_ok: bool
    health: Health
    faces: int | None = None
    shares: Mapping[str, float] = field(default_factory=dict)
    window: Mapping[str, float] = field(default_factory=dict)
    told: Mapping[str, int] | None = None
    frames: int = 0
    dropped: int | None = 0
    fps: float | None = 0.0
    stages_ms: Mapping[str, float] = field(default_factory=dict)
    latency_ms: float | None = None
    device: Mapping[str, object] = field(default_factory=dict)
    paused: bool = False
    recording: bool = False
    camera: str = ""
    machine: Mapping[str, object] = field(default_factory=dict)
    rules: Sequence[Mapping[str, Any]] = ()
    markers: int = 0


def state_of(snapshot: Snapshot) -> dict[str, Any]:
    """JSON values: shares 0..1 by label, milliseconds by stage, ISO 8601 in UTC; NaN and infinite numbers are null."""
    return {
        "camera": snapshot.camera,
        "time": utc_text(snapshot.wall_s),
        "clock_ok": snapshot.clock_ok,
        "health": {"condition": snapshot.health.condition.value, "reason": snapshot.health.reason},
        "faces": snapshot.faces,
        "shares": _rounded(snapshot.shares),
        "window": _rounded(snapshot.window),
        "frames": snapshot.frames,
        "dropped": snapshot.dropped,
        "fps": _finite(snapshot.fps),
        "stages_ms": _rounded(snapshot.stages_ms),
        "latency_ms": _finite(snapshot.latency_ms),
        "device": dict(snapshot.device),
        "machine": dict(snapshot.machine),
        "paused": snapshot.paused,
        "recording": snapshot.recording,
        "markers": snapshot.markers,
        "rules": list(snapshot.rules),
    }


def utc_text(wall_s: float) -> str:
    """Seconds since 1970 as ISO 8601 in UTC, always of one length, so that texts sort as their times do."""
    return datetime.fromtimestamp(wall_s, timezone.utc).isoformat(timespec="milliseconds")


def state_json(snapshot: Snapshot) -> str:
    """`state_of` as text."""
    return json.dumps(state_of(snapshot), default=str)


def _rounded(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: _finite(value) for name, value in values.items()}


def _finite(value: float | None) -> float | None:
    return round(value, 4) if value is not None and math.isfinite(value) else None


WINDOW_S = 60.0
HERE_S = 1.0
"""A face that was not observed for so long is not in view any more; faces are not classified in every frame."""


class Aggregate:
    """Shares of the labels now and over the last minute, from moments when enough faces were there at once.

    Tracks over a time would not do: one person who leaves and returns is several.
    """

    def __init__(self, least_group: int = 1, window_s: float = WINDOW_S) -> None:
        """Begin with nothing; of moments with fewer faces than `least_group`, nothing is kept or published."""
        self._least, self.window_s = least_group, window_s
        self._seen: deque[tuple[float, str]] = deque()
        self._latest: dict[int, tuple[float, str]] = {}
        self._told: Counter[str] = Counter()

    @property
    def least_group(self) -> int:
        """Faces at once; another value begins anew, for what was told before was told under another promise."""
        return self._least

    @least_group.setter
    def least_group(self, faces: int) -> None:
        if faces != self._least:
            self._least = faces
            self._told.clear()
            self.clear()

    @property
    def withholds(self) -> bool:
        """Whether there is anything that is not told: with a group of one everything is."""
        return self._least > 1

    def update(self, now_s: float, observations: Sequence[Observation]) -> None:
        """Take one frame's observations; times must not run backwards.

        With a least group, faces that were not read do not count towards it: what one person shows is not hidden among
        faces of which nothing is known, and which may be none.
        """
        counted = sum(o.label != UNSUITABLE for o in observations) if self.withholds else len(observations)
        if counted >= self._least:
            for o in observations:
                self._told[o.label] += 1
                self._seen.append((now_s, o.label))
                self._latest[o.track] = (now_s, o.label)
        self.forget(now_s)

    def forget(self, now_s: float) -> None:
        """Remove what is older than the window."""
        while self._seen and now_s - self._seen[0][0] > self.window_s:
            self._seen.popleft()
        self._latest = {n: v for n, v in self._latest.items() if now_s - v[0] <= HERE_S}

    def clear(self) -> None:
        """Forget everything but how much was told, which is told already."""
        self._seen.clear()
        self._latest.clear()

    def faces(self) -> int | None:
        """How many are in view; None when they are too few to be published, which nobody is, too."""
        return len(self._latest) if self._latest or not self.withholds else None

    def readable(self) -> Mapping[int, str]:
        """Track -> label of the faces in view that were read; empty when those are too few to be told of."""
        read = {track: label for track, (_, label) in self._latest.items() if label != UNSUITABLE}
        return read if len(read) >= self._least else {}

    def shares(self) -> Mapping[str, float]:
        """Label -> share of the faces in view; empty when none or too few are."""
        return _shares([label for _, label in self._latest.values()])

    def window(self) -> Mapping[str, float]:
        """Label -> share of the observations of the last minute; empty when there were none with enough faces."""
        return _shares([label for _, label in self._seen])

    def told(self) -> Mapping[str, int] | None:
        """Label -> observations since the start, of moments with enough faces; None before the first of these."""
        return dict(self._told) if self._told or not self.withholds else None


def _shares(labels: Sequence[str]) -> dict[str, float]:
    counts = Counter(labels)
    return {label: count / len(labels) for label, count in counts.most_common()}
