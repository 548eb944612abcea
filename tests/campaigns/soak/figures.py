"""From samples to figures: how memory grows, by least squares, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .sampling import Sample

MB = 1e6
PER = 100_000
"""Frames that a slope is told for."""


def slope(frames: Sequence[int], values: Sequence[float]) -> tuple[float, float]:
    """Growth per PER frames by least squares, and its standard error; needs three samples at least."""
    x, y = np.asarray(frames, float) / PER, np.asarray(values, float)
    x = x - x.mean()
    steep = float((x @ y) / (x @ x))
    rest = y - y.mean() - steep * x
    return steep, float(np.sqrt((rest @ rest) / (len(x) - 2) / (x @ x)))


def figures(samples: Sequence[Sample], frames: int) -> dict[str, float]:
    """Of the second half of the frames: slopes and growth; of all of it: the peak.

    Megabytes are of 10^6 bytes. Growth of descriptors and threads is the difference between the medians of the third
    and the last quarter, since both swing by one with every request.
    """
    half = [s for s in samples if frames / 2 <= s.frames < frames]  # at the last frame it is already closing
    whole = [(s.rss + s.children) / MB for s in half]
    steep, error = slope([s.frames for s in half], whole)
    third = [s for s in half if s.frames < 0.75 * frames]
    last = [s for s in half if s.frames >= 0.75 * frames]
    return {
        "samples": len(half),
        "rss_slope_mb_per_100k": steep,
        "rss_slope_error_mb": error,
        "rss_peak_mb": max(s.rss + s.children for s in samples) / MB,
        "rss_at_half_mb": whole[0],
        "rss_at_end_mb": whole[-1],
        "files_growth": float(np.median([s.files for s in last]) - np.median([s.files for s in third])),
        "threads_growth": float(np.median([s.threads for s in last]) - np.median([s.threads for s in third])),
        "files_peak": max(s.files for s in half),
        "threads_peak": max(s.threads for s in half),
    }
