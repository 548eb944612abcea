"""Episodes, stretches in which a face shows one label, and what follows what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .lane import Lane


@dataclass(frozen=True)
class Episode:
    """A stretch of one label.

    Attributes:
        label: or `uncertain`.
        start_s, length_s: seconds; breaks of at most the lane's `gap_s` are inside.
        peak: largest probability of the label in a single frame of it; None of `uncertain`.
        peak_s: when that was.
        onset: another label was shown right before, so that its beginning was seen.
    """

    label: str
    start_s: float
    length_s: float
    peak: float | None
    peak_s: float | None
    onset: bool


@dataclass(frozen=True)
class Transition:
    """How often one label followed another without a break, and the share 0..1 of what followed it."""

    before: str
    after: str
    count: int
    share: float


def episodes_of(lane: Lane) -> list[Episode]:
    """All of them in the order of time; a face that was not read for longer than `gap_s` begins a new one."""
    read = np.flatnonzero(lane.read)
    if not len(read):
        return []
    shown = lane.shown[read]
    broken = lane.start_s[read[1:]] - lane.end_s[read[:-1]] > lane.gap_s
    cuts = np.flatnonzero((shown[1:] != shown[:-1]) | broken)
    firsts, lasts = np.append(0, cuts + 1), np.append(cuts, len(read) - 1)
    joined = np.append(False, ~broken[cuts])
    return [
        _episode(lane, read[first : last + 1], bool(onset))
        for first, last, onset in zip(firsts, lasts, joined, strict=True)
    ]


def _episode(lane: Lane, frames: NDArray[np.int64], onset: bool) -> Episode:
    start, end = float(lane.start_s[frames[0]]), float(lane.end_s[frames[-1]])
    code = int(lane.shown[frames[0]])
    if code == len(lane.labels):
        return Episode(lane.states[code], start, end - start, None, None, onset)
    values = lane.probabilities[frames, code]
    top = int(values.argmax())
    return Episode(lane.labels[code], start, end - start, float(values[top]), float(lane.start_s[frames[top]]), onset)


def transitions_of(episodes: Sequence[Episode]) -> list[Transition]:
    """What followed what without a break, the most frequent first."""
    counts = Counter((one.label, other.label) for one, other in pairwise(episodes) if other.onset)
    whence = Counter[str]()
    for (before, _), count in counts.items():
        whence[before] += count
    return [Transition(a, b, n, n / whence[a]) for (a, b), n in sorted(counts.items(), key=lambda kv: (-kv[1], kv[0]))]
