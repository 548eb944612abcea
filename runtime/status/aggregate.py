"""Shares of expressions over all faces: all that leaves the kiosk, and only of a large enough group."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence

from ..types import Observation

WINDOW_S = 60.0
HERE_S = 1.0
"""A face that was not observed for so long is not in view any more; faces are not classified in every frame."""


class Aggregate:
    """Shares of the labels now and over the last minute."""

    def __init__(self, least_group: int = 1, window_s: float = WINDOW_S) -> None:
        """Begin with nothing.

        Args:
            least_group: with fewer faces, nothing about them is published.
        """
        self.least_group, self.window_s = least_group, window_s
        self._seen: deque[tuple[float, int, str]] = deque()
        self._latest: dict[int, tuple[float, str]] = {}

    def update(self, now_s: float, observations: Sequence[Observation]) -> None:
        """Take one frame's observations; times must not run backwards."""
        for o in observations:
            self._seen.append((now_s, o.track, o.label))
            self._latest[o.track] = (now_s, o.label)
        self.forget(now_s)

    def forget(self, now_s: float) -> None:
        """Remove what is older than the window."""
        while self._seen and now_s - self._seen[0][0] > self.window_s:
            self._seen.popleft()
        self._latest = {n: v for n, v in self._latest.items() if now_s - v[0] <= HERE_S}

    def clear(self) -> None:
        """Forget everything."""
        self._seen.clear()
        self._latest.clear()

    def faces(self) -> int | None:
        """How many are in view; None when they are too few to be published, and not none."""
        count = len(self._latest)
        return count if count == 0 or count >= self.least_group else None

    def shares(self) -> Mapping[str, float]:
        """Label -> share of the faces in view; empty when none or too few are."""
        return _shares([label for _, label in self._latest.values()]) if self.faces() else {}

    def window(self) -> Mapping[str, float]:
        """Label -> share of the observations of the last minute; empty when they are of too few faces."""
        if len({track for _, track, _ in self._seen}) < max(1, self.least_group):
            return {}
        return _shares([label for _, _, label in self._seen])


def _shares(labels: Sequence[str]) -> dict[str, float]:
    counts = Counter(labels)
    return {label: count / len(labels) for label, count in counts.most_common()}
