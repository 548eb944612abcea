"""Intervals of what is a function of sums over seconds: the circular block bootstrap.

Seconds of one face resemble their neighbours, so whole blocks of them are drawn again, never single ones: Künsch, "The
jackknife and the bootstrap for general stationary observations", Annals of Statistics 17 (1989); circular: Politis and
Romano (1992).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

REPLICATES = 1000
LEVEL = 0.95
"""Of the intervals: from its 2.5th to its 97.5th hundredth."""
LEAST_SECONDS = 10
"""Fewer have no interval: there is nothing to be drawn from."""
_RUN = 5
"""Lags without correlation that end it; K of Politis and White."""
_CHUNK = 1 << 22
"""Numbers in memory at once."""


def block_length(series: Floats) -> int:
    """Seconds of a block for one series (n,), from 1 to the smaller of n / 3 and 3 sqrt(n).

    Politis and White, "Automatic block-length selection for the dependent bootstrap", Econometric Reviews 23 (2004),
    with the correction of Patton, Politis and White (2009): the constants are theirs.
    """
    n = len(series)
    most = max(1, int(min(n / 3, 3 * np.sqrt(n))))
    centred = series - series.mean()
    variance = float(centred @ centred) / n
    if n < LEAST_SECONDS or variance < 1e-12:
        return 1
    reach = min(int(np.ceil(np.sqrt(n))) + _RUN, n - 1)
    covariance = np.array([centred[: n - lag] @ centred[lag:] for lag in range(reach + 1)]) / n
    small = np.abs(covariance[1:] / variance) < 2 * np.sqrt(np.log10(n) / n)
    runs = [i for i in range(len(small) - _RUN + 1) if small[i : i + _RUN].all()]
    lag = runs[0] if runs else int(np.flatnonzero(~small).max(initial=-1)) + 1
    window = min(2 * max(lag, 1), reach)
    lags = np.arange(1, window + 1)
    weight = np.clip(2 * (1 - lags / window), 0, 1)  # flat-top: 1 to the middle, then down to 0
    g = 2 * float((weight * lags) @ covariance[1 : window + 1])
    spectrum = variance + 2 * float(weight @ covariance[1 : window + 1])
    if spectrum <= 0:
        return 1
    best = (2 * g**2 / (4 / 3 * spectrum**2)) ** (1 / 3) * n ** (1 / 3)
    return int(np.clip(round(best), 1, most))


def intervals(
    sums: Floats, figures: Callable[[Floats], Mapping[str, Floats]], block: int, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """The interval of each figure; none at all where there are fewer than LEAST_SECONDS.

    Args:
        sums: (n, m) of m quantities, what each second adds to them.
        figures: from sums (replicates, m) to each figure (replicates,), NaN where it is not defined.
        block: seconds drawn together.
        seed: of the drawing; the same gives the same intervals.
    """
    n = len(sums)
    if n < LEAST_SECONDS:
        return {}
    draw, blocks = np.random.default_rng(seed), -(-n // block)
    each = max(1, _CHUNK // n)
    drawn = [_totals(sums, draw, min(each, REPLICATES - i), blocks, block) for i in range(0, REPLICATES, each)]
    tail = (1 - LEVEL) / 2
    found = {}
    for name, values in figures(np.concatenate(drawn)).items():
        known = values[np.isfinite(values)]
        if len(known) >= REPLICATES / 2:
            low, high = np.quantile(known, [tail, 1 - tail])
            found[name] = float(low), float(high)
    return found


def _totals(sums: Floats, draw: np.random.Generator, replicates: int, blocks: int, block: int) -> Floats:
    """(replicates, m): each second counts as often as blocks that begin at most `block` before it were drawn."""
    n = len(sums)
    starts = draw.integers(0, n, (replicates, blocks))
    counts = np.zeros((replicates, n + block))
    np.add.at(counts, (np.arange(replicates)[:, None], starts), 1.0)
    np.add.at(counts, (np.arange(replicates)[:, None], starts + block), -1.0)
    times = counts.cumsum(axis=1)
    wrapped = times[:, :n]
    wrapped[:, :block] += times[:, n:]
    return np.asarray(wrapped @ sums)
