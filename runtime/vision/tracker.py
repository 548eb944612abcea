"""Following faces from frame to frame by the overlap of their boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..types import Box, Face, Track


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, 0..1."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


@dataclass
class _Known:
    box: Box
    seen_s: float


class IouTracker:
    """Gives each face the number of the recent box it overlaps most, best pairs first, or a new number."""

    def __init__(self, min_overlap: float = 0.25, max_gap_s: float = 1.0) -> None:
        """Args: min_overlap 0..1 to count as the same face; max_gap_s seconds a face may be missed."""
        self.min_overlap = min_overlap
        self.max_gap_s = max_gap_s
        self._known: dict[int, _Known] = {}
        self._next = 1

    def update(self, faces: Sequence[Face], time_s: float) -> list[Track]:
        """Tracks of one frame, in the order of `faces`."""
        self._known = {n: k for n, k in self._known.items() if time_s - k.seen_s <= self.max_gap_s}
        pairs = sorted(
            ((overlap(f.box, k.box), -n, i) for i, f in enumerate(faces) for n, k in self._known.items()), reverse=True
        )
        number_of: dict[int, int] = {}
        for share, negative, i in pairs:
            if share >= self.min_overlap and i not in number_of and -negative not in number_of.values():
                number_of[i] = -negative
        tracks = []
        for i, face in enumerate(faces):
            number = number_of.get(i)
            if number is None:
                number, self._next = self._next, self._next + 1
            self._known[number] = _Known(face.box, time_s)
            tracks.append(Track(number, face))
        return tracks
