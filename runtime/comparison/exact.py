"""Tests and intervals that assume no distribution: what else could have come, had the labels been given otherwise.

Each p and its interval come from the same numbers, so that they never contradict each other. A sign flip or an exchange
has a shift at which it would begin to look larger than what was seen; the shifts in order are the interval's ends
(Hartigan, "Using subsample values as typical values", JASA 64, 1969; of two groups, Bauer, "Constructing confidence
sets using rank statistics", JASA 67, 1972). Everything is enumerated up to MOST ways, and drawn beyond.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from ..figures.bootstrap import LEVEL

Floats = NDArray[np.float64]

MOST = 1 << 14
"""Ways looked at; of more, as many are drawn, which leaves a p of 0.05 uncertain by 0.002."""


@dataclass(frozen=True)
class Verdict:
    """A difference, or a slope.

    Attributes:
        estimate: b minus a, or by how much it rises in a unit of time.
        low, high: interval of 95 %; None where so few cannot give one.
        effect: standardised (Hedges' g; of a slope Kendall's tau); None where nothing varies.
        p: two-sided; None where no result of so few could be below 0.05, and where nothing varies: that is no test.
        least_p: the smallest p that so many could give.
    """

    estimate: float
    low: float | None
    high: float | None
    effect: float | None
    p: float | None
    least_p: float


def paired(a: Sequence[float], b: Sequence[float]) -> Verdict:
    """Of the same subjects twice: the mean of b - a, by flipping the sign of each subject's difference.

    Raises ValueError: fewer than two, or not as many.
    """
    difference = np.subtract(b, a)
    n = len(difference)
    if n < 2 or len(a) != len(b):
        raise ValueError("needs two subjects, each with both values")
    mean, spread = float(difference.mean()), float(difference.std(ddof=1))
    effect = _small_sample(n - 1) * mean / spread if spread > 1e-12 else None
    return _verdict(mean, _flips(n) @ difference, effect)


def unpaired(a: Sequence[float], b: Sequence[float]) -> Verdict:
    """Of two groups of subjects: mean of b less that of a, by exchanging who is in which; ValueError: under two."""
    first, n = len(a), len(a) + len(b)
    if min(first, len(b)) < 2:
        raise ValueError("needs two subjects in each group")
    values = np.concatenate([a, b]).astype(float)
    difference = float(values[first:].mean() - values[:first].mean())
    squares = (first - 1) * np.var(a, ddof=1) + (n - first - 1) * np.var(b, ddof=1)
    pooled = float(np.sqrt(squares / (n - 2)))
    effect = _small_sample(n - 2) * difference / pooled if pooled > 1e-12 else None
    return _verdict(difference, _exchanges(first, n) @ values, effect)


def trend(times: Sequence[float], values: Sequence[float]) -> Verdict:
    """A slope over time: the median of the slopes between any two (Theil 1950, Sen 1968), by Kendall's exact order.

    Ties count against a trend. Raises ValueError: fewer than three, or two at one time.
    """
    order = np.argsort(times)
    t, x = np.asarray(times, float)[order], np.asarray(values, float)[order]
    if len(t) < 3 or (np.diff(t) <= 0).any():
        raise ValueError("needs three sessions at different times")
    i, j = np.triu_indices(len(t), 1)
    rises = x[j] - x[i]
    slopes = np.sort(rises / (t[j] - t[i]))
    alike = np.abs(rises) <= 1e-12
    up, down, ties = int((rises[~alike] > 0).sum()), int((rises[~alike] < 0).sum()), int(alike.sum())
    lower_tail = np.cumsum(_discordances(len(t)))
    estimate, tau = float(np.median(slopes)), (up - down) / len(slopes)
    least = float(2 * lower_tail[0])
    if least > 1 - LEVEL or alike.all():
        return Verdict(estimate, None, None, None if alike.all() else tau, None, least)
    k = int((lower_tail <= (1 - LEVEL) / 2).sum())
    p = min(1.0, 2 * float(lower_tail[min(min(up, down) + ties, len(slopes))]))
    return Verdict(estimate, float(slopes[k - 1]), float(slopes[-k]), tau, p, least)


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """p corrected for as many tests as there are (Holm 1979); what has none is no test."""
    order = sorted((p, i) for i, p in enumerate(ps) if p is not None)
    corrected: list[float | None] = [None] * len(ps)
    largest = 0.0
    for rank, (p, i) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p))
        corrected[i] = largest
    return corrected


@lru_cache(maxsize=8)
def _flips(n: int) -> Floats:
    """(ways, n): of each way to flip signs, the weights by which the flipped differences' mean is taken."""
    if 2**n <= MOST:
        flipped = (np.arange(1, 2**n)[:, None] >> np.arange(n)) & 1
    else:
        flipped = np.random.default_rng(0).integers(0, 2, (MOST - 1, n))
        flipped = flipped[flipped.any(axis=1)]
    return np.asarray(flipped / flipped.sum(1, keepdims=True))


@lru_cache(maxsize=8)
def _exchanges(first: int, n: int) -> Floats:
    """(ways, n): of each other choice of `first` out of n, the weights that give mean of who came less who went."""
    if comb(n, first) <= MOST:
        chosen = np.array(list(combinations(range(n), first)))
    else:
        everybody = np.tile(np.arange(n), (MOST - 1, 1))
        chosen = np.random.default_rng(0).permuted(everybody, axis=1)[:, :first]
    now = np.zeros((len(chosen), n), bool)
    np.put_along_axis(now, chosen, True, axis=1)
    before = np.arange(n) < first
    moved = (now & ~before).sum(1)
    changes = now.astype(float) - before
    return np.asarray(changes[moved > 0] / moved[moved > 0, None])


def _verdict(estimate: float, shifts: Floats, effect: float | None) -> Verdict:
    """From the shift at which each other way would look as large as what was seen."""
    ways = len(shifts) + 1
    least = min(1.0, 2 / ways)
    if least > 1 - LEVEL or np.abs(shifts).max() <= 1e-12:
        return Verdict(estimate, None, None, effect, None, least)
    ordered, near = np.sort(shifts), 1e-12 * max(1.0, float(np.abs(shifts).max()))
    as_low, as_high = 1 + int((shifts <= near).sum()), 1 + int((shifts >= -near).sum())
    k = int((1 - LEVEL) / 2 * ways + 1e-9)
    p = min(1.0, 2 * min(as_low, as_high) / ways)
    return Verdict(estimate, float(ordered[k - 1]), float(ordered[-k]), effect, p, least)


def _small_sample(df: int) -> float:
    """What makes a standardised difference unbiased (Hedges 1981)."""
    return 1 - 3 / (4 * df - 1)


def _discordances(n: int) -> Floats:
    """Probability of 0, 1, … pairs out of order among n that have no order (the Mahonian numbers over n!)."""
    found = np.ones(1)
    for size in range(2, n + 1):
        found = np.convolve(found, np.full(size, 1 / size))
    return np.asarray(found)
