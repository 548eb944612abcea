"""How long each expression was shown, by each face and together: shares of time, whatever the frame rate did."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .types import Frame, Observation

PERSON_S = 0.5
"""Seconds a face must be followed to count as a person: false detections flash up and go."""


@dataclass(frozen=True)
class FaceTime:
    """Seconds one face was in view, and the share 0..1 of these with each label, the longest first."""

    track: int
    seconds: float
    expressions: Mapping[str, float]


@dataclass(frozen=True)
class Shares:
    """What was shown for how long; of pictures, which have no time, every one counts the same.

    Attributes:
        seconds: from the first frame to the end of the last.
        without_face_s: of these, without any face.
        expressions: share 0..1 of the faces' time with each label, all faces together, the longest first.
        faces: each face, the one that was longest in view first.
        at_once: most faces in one frame.
    """

    seconds: float
    without_face_s: float
    expressions: Mapping[str, float]
    faces: Sequence[FaceTime]
    at_once: int

    @property
    def people(self) -> int:
        """Faces that were followed for PERSON_S; whoever leaves and returns counts again."""
        return sum(f.seconds >= PERSON_S for f in self.faces) or self.at_once

    @property
    def without_face(self) -> float:
        """Share 0..1 of the time without any face."""
        return self.without_face_s / self.seconds if self.seconds else 0.0


class ShareTally:
    """Adds up frames as they come: each counts until the next one begins, the last as long as the one before it."""

    def __init__(self, hold_s: Callable[[], float] = lambda: 0.0) -> None:
        """`hold_s`: a face that is observed only so often, by now, shows what it showed in between."""
        self._hold_s = hold_s
        self._shown: dict[int, tuple[str, float]] = {}
        self._begun_s: float | None = None
        self._length_s = self._seconds = self._without_s = 0.0
        self._time: defaultdict[int, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
        self._at_once = 0

    def write(self, frame: Frame, observations: Sequence[Observation]) -> None:
        """Take a frame, as a sink."""
        self.add(frame.time_s, [(o.track, o.label) for o in observations], still=bool(frame.name))

    def close(self) -> None:
        """See Sink."""

    def add(self, time_s: float, seen: Sequence[tuple[int, str]], still: bool = False) -> None:
        """Take a frame's faces, (track, label) each; a still picture counts as one second."""
        if self._begun_s is not None:
            self._pass(1.0 if still else max(0.0, time_s - self._begun_s))
        elif still:
            self._length_s = 1.0
        self._begun_s = time_s
        self._shown = {n: s for n, s in self._shown.items() if time_s - s[1] < self._hold_s()}
        self._shown.update({track: (label, time_s) for track, label in seen})
        self._at_once = max(self._at_once, len(self._shown))

    def shares(self) -> Shares:
        """What it has come to; nothing is to be added afterwards."""
        if self._begun_s is not None:
            self._pass(self._length_s or 1.0)  # a single frame has no length: any will do
            self._begun_s = None
        together: defaultdict[str, float] = defaultdict(float)
        for labels in self._time.values():
            for label, seconds in labels.items():
                together[label] += seconds
        faces = [FaceTime(n, sum(v.values()), _shares(v)) for n, v in self._time.items()]
        faces.sort(key=lambda face: (-face.seconds, face.track))
        return Shares(self._seconds, self._without_s, _shares(together), faces, self._at_once)

    def _pass(self, seconds: float) -> None:
        self._length_s = seconds
        self._seconds += seconds
        self._without_s += 0.0 if self._shown else seconds
        for track, (label, _) in self._shown.items():
            self._time[track][label] += seconds


def _shares(seconds: Mapping[str, float]) -> dict[str, float]:
    total = sum(seconds.values())
    return {k: v / total for k, v in sorted(seconds.items(), key=lambda kv: -kv[1])} if total else {}
