"""A figure and how sure one can be of it: Wilson's interval for shares, the percentile bootstrap for the rest."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...bundle import Logits, softmax
from ...export.metrics import BINS, Classes

Floats = NDArray[np.float64]
Z = 1.959964
"""Two-sided 95 % quantile of the normal distribution."""
RESAMPLES = 1000
"""Of a bootstrap (Efron and Tibshirani 1993 ask for that many for an interval)."""
SEED = 42
AT_ONCE = 4_000_000
"""Numbers that a bootstrap or a permutation holds in memory at a time."""


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def wilson(correct: int, count: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927), within 0..1; (0, 1) for no pictures."""
    if not count:
        return 0.0, 1.0
    share, z2 = correct / count, Z * Z
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = Z * math.sqrt(share * (1 - share) / count + z2 / (4 * count * count)) / (1 + z2 / count)
    return max(0.0, middle - half), min(1.0, middle + half)


def share(part: int, count: int) -> Estimate:
    """A share of `count` pictures, which is not 0, with Wilson's interval."""
    return Estimate(part / count, *wilson(part, count))


def percentiles(value: float, resampled: Floats) -> Estimate:
    """The figure with the middle 95 % of what its resamples gave."""
    low, high = np.percentile(resampled, (2.5, 97.5))
    return Estimate(value, float(low), float(high))


def bootstrapped_mean(values: Floats) -> Estimate:
    """The mean of N values, N at least 1, bootstrapped over them."""
    found = np.concatenate([weights @ values for weights in _weights(len(values))])
    return percentiles(float(values.mean()), found)


def mean_confidence(logits: Logits) -> Estimate:
    """Mean probability of the answers, bootstrapped over pictures; logits (N, classes), N at least 1."""
    confidence = softmax(logits).max(axis=1).astype(np.float64)
    found = np.concatenate([weights @ confidence for weights in _weights(len(confidence))])
    return percentiles(float(confidence.mean()), found)


def calibration(logits: Logits, truth: Classes) -> Estimate:
    """Expected calibration error, as `metrics.calibration_error` has it, bootstrapped over pictures.

    It is a mean of absolute values, so few pictures make it larger, and their resamples larger still.
    """
    return _calibration(logits, np.asarray(logits.argmax(axis=1) == truth, np.float64))


def soft_calibration(logits: Logits, wanted: NDArray[np.float32]) -> Estimate:
    """The same where probabilities (N, classes) stand for the truth: an answer is as right as they find it likely."""
    said = wanted[np.arange(len(wanted)), logits.argmax(axis=1)]
    return _calibration(logits, said.astype(np.float64))


def _calibration(logits: Logits, right: Floats) -> Estimate:
    """right: of each answer, 0..1 (N,)."""
    confidence = softmax(logits).max(axis=1).astype(np.float64)
    off = confidence - right
    which = np.minimum((confidence * BINS).astype(int), BINS - 1)
    by_bin = np.where(which[:, None] == np.arange(BINS), off[:, None], 0.0)
    found = np.concatenate([np.abs(weights @ by_bin).sum(axis=1) for weights in _weights(len(off))])
    return percentiles(float(np.abs(by_bin.mean(axis=0)).sum()), found)


def _weights(count: int) -> Iterator[Floats]:
    """The share that each of `count` pictures has in each of RESAMPLES resamples, some rows at a time."""
    rng = np.random.default_rng(SEED)
    step = max(1, AT_ONCE // count)
    for begin in range(0, RESAMPLES, step):
        rows = min(step, RESAMPLES - begin)
        yield rng.multinomial(count, np.full(count, 1 / count), size=rows) / count
