"""From a probability a frame to a label a person can read: the published pipeline and the default."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...errors import UsageError
from ..types import Smoothed

UNCERTAIN = "uncertain"
"""Said instead of a label when no expression stands out."""
FORGET_S = 10.0
"""A track not seen for this many seconds is forgotten, so that memory does not grow."""

Probabilities = NDArray[np.float32]
"""float32, one per label, summing to 1."""


class Smoother(Protocol):
    """Combines a track's probabilities over time."""

    name: str

    def update(self, track: int, time_s: float, probabilities: Probabilities) -> Smoothed:
        """Take one frame's probabilities of one track and say what to show."""


class MajoritySmoother:
    """The published method: the most frequent label of the last second; confidence is its share.

    Equal counts go to the label seen last.
    """

    name = "majority"

    def __init__(self, labels: Sequence[str], window_s: float = 1.0) -> None:
        self.labels = tuple(labels)
        self.window_s = window_s
        self._seen: dict[int, deque[tuple[float, int]]] = {}

    def update(self, track: int, time_s: float, probabilities: Probabilities) -> Smoothed:
        """See Smoother."""
        self._seen = {n: d for n, d in self._seen.items() if time_s - d[-1][0] <= FORGET_S}
        window = self._seen.setdefault(track, deque())
        window.append((time_s, int(probabilities.argmax())))
        while time_s - window[0][0] > self.window_s:
            window.popleft()
        counts = Counter(label for _, label in window)
        most = max(counts.values())
        winner = next(label for _, label in reversed(window) if counts[label] == most)
        return Smoothed(self.labels[winner], most / len(window))


@dataclass
class _Average:
    values: Probabilities
    time_s: float
    label: int | None = None


class ExponentialSmoother:
    """A time-aware exponential average of probabilities, with hysteresis and an `uncertain` state.

    The average moves by 1 - exp(-dt / tau), so the frame rate does not matter. Another label is shown only when it
    leads the shown one by `margin`; none is shown below `floor`, and one comes back only above floor + margin / 2.
    """

    name = "exponential"

    def __init__(self, labels: Sequence[str], tau_s: float = 0.5, margin: float = 0.1, floor: float = 0.35) -> None:
        self.labels = tuple(labels)
        self.tau_s, self.margin, self.floor = tau_s, margin, floor
        self._tracks: dict[int, _Average] = {}

    def update(self, track: int, time_s: float, probabilities: Probabilities) -> Smoothed:
        """See Smoother."""
        self._tracks = {n: a for n, a in self._tracks.items() if time_s - a.time_s <= FORGET_S}
        state = self._tracks.get(track)
        if state is None:
            state = self._tracks[track] = _Average(probabilities.astype(np.float32), time_s)
        else:
            move = 1 - math.exp(-max(0.0, time_s - state.time_s) / self.tau_s)
            state.values = state.values + np.float32(move) * (probabilities - state.values)
            state.time_s = time_s
        top = int(state.values.argmax())
        state.label = self._decide(state, top)
        shown = top if state.label is None else state.label
        return Smoothed(UNCERTAIN if state.label is None else self.labels[shown], float(state.values[shown]))

    def _decide(self, state: _Average, top: int) -> int | None:
        """The label to show next, or None for uncertain."""
        lead = float(state.values[top])
        if state.label is None:
            return top if lead >= self.floor + self.margin / 2 else None
        if lead < self.floor:
            return None
        return top if lead - float(state.values[state.label]) > self.margin else state.label


def open_smoother(name: str, labels: Sequence[str]) -> Smoother:
    """A smoother by name, `exponential` or `majority`; raises UsageError."""
    for kind in (ExponentialSmoother, MajoritySmoother):
        if name == kind.name:
            return kind(labels)
    raise UsageError(f"there is no smoother {name!r}", cause="smoothers: exponential, majority")
