"""The published log: second by second, the expression that a face showed in most frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..types import Observation

WINDOW_S = 1.0
"""Seconds; as the study published them."""


@dataclass(frozen=True)
class Window:
    """One face in one second.

    Attributes:
        start_s: when the second begins, counted from the source's beginning.
        track: number of the face.
        label: the most frequent label of single frames; of equals the one seen last.
        share: 0..1 of the frames of this face in this second.
    """

    start_s: float
    track: int
    label: str
    share: float


class WindowLog:
    """Collects one second's observations and gives its windows when the next begins."""

    def __init__(self) -> None:
        self._second = 0
        self._labels: dict[int, list[str]] = {}

    def add(self, time_s: float, observations: Sequence[Observation]) -> list[Window]:
        """Take a frame; windows of the second that ended before it."""
        second = int(time_s // WINDOW_S)
        ended = self.end() if second != self._second else []
        self._second = second
        for o in observations:
            self._labels.setdefault(o.track, []).append(o.raw_label)
        return ended

    def end(self) -> list[Window]:
        """Windows of the second that is open."""
        labels, self._labels = self._labels, {}
        return [self._window(track, seen) for track, seen in sorted(labels.items())]

    def _window(self, track: int, seen: list[str]) -> Window:
        most = max(seen.count(label) for label in seen)
        winner = next(label for label in reversed(seen) if seen.count(label) == most)
        return Window(self._second * WINDOW_S, track, winner, most / len(seen))
