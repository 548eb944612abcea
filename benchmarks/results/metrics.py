"""From raw latencies to the figures that are reported."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PERCENTS = (50, 90, 95, 99)
METRICS = ("queries", "seconds", "mean_ms", *(f"p{p}_ms" for p in PERCENTS), "min_ms", "max_ms", "std_ms", "fps")
STAGE_METRICS = ("mean_ms", "p50_ms", "p90_ms")


def latency_metrics(samples_ns: Sequence[int] | NDArray[np.int64]) -> dict[str, float]:
    """METRICS of one measurement's latencies, in nanoseconds.

    `seconds` is their sum, so what happened between the queries is not in it. `std_ms` is the sample standard deviation
    (n - 1), 0 for a single query. `fps` is derived, 1000 / mean_ms: at batch 1 nothing else was counted.

    Raises ValueError: no samples, a negative one, or nothing but zeros, which a clock that stood still gives.
    """
    ms = _milliseconds(samples_ns)
    if not ms.any():
        raise ValueError("every latency is 0")
    mean = float(ms.mean())
    ordered = np.sort(ms)
    return {
        "queries": len(ms),
        "seconds": float(ms.sum()) / 1e3,
        "mean_ms": mean,
        **{f"p{p}_ms": percentile(ordered, p) for p in PERCENTS},
        "min_ms": float(ordered[0]),
        "max_ms": float(ordered[-1]),
        "std_ms": float(ms.std(ddof=1)) if len(ms) > 1 else 0.0,
        "fps": 1000 / mean,
    }


def stage_metrics(samples_ns: Sequence[int] | NDArray[np.int64]) -> dict[str, float]:
    """STAGE_METRICS of the times that one stage took, in nanoseconds; a stage may take no time at all.

    Raises ValueError: no samples, or a negative one.
    """
    ms = _milliseconds(samples_ns)
    ordered = np.sort(ms)
    return {"mean_ms": float(ms.mean()), "p50_ms": percentile(ordered, 50), "p90_ms": percentile(ordered, 90)}


def percentile(ordered: NDArray[np.float64], percent: int) -> float:
    """The value at index floor(n x percent / 100), counted from 0, of n ascending values; never between two of them.

    So does MLPerf's LoadGen (mlcommons/inference, loadgen/results.cc, ProcessLatencies), whose figures ours are held
    against; the product is a double there too. The p50 of two values is the larger one, and the p99 of up to 100 values
    is their maximum.
    """
    return float(ordered[int(len(ordered) * (percent / 100))])


def half_medians_ms(samples_ns: Sequence[int]) -> tuple[float, float]:
    """Median of the first and of the second half of a run; both the same where there is one sample."""
    first, second = np.array_split(np.asarray(samples_ns, np.float64) / 1e6, 2)
    return float(np.median(first)), float(np.median(second if len(second) else first))


def _milliseconds(samples_ns: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float64]:
    ms = np.asarray(samples_ns, np.float64) / 1e6
    if ms.ndim != 1 or not len(ms):
        raise ValueError("there are no latencies")
    if ms.min() < 0:
        raise ValueError(f"a latency is negative ({ms.min():g} ms)")
    return ms
