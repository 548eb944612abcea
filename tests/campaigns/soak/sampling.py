"""Samples of what a process and its children take (from /proc, Linux only), and how that grows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from campaigns.faults.supervisor import children_of

PAGE, MB = os.sysconf("SC_PAGE_SIZE"), 1e6
PER = 100_000
"""Frames that a slope is told for."""


@dataclass(frozen=True)
class Sample:
    """One moment.

    Attributes:
        frames: looked at since the start.
        rss: bytes of the daemon; children: bytes of what it started, together.
        files, threads: of the daemon.
    """

    frames: int
    rss: int
    children: int
    files: int
    threads: int


def sample(pid: int, frames: int) -> Sample | None:
    """Of the daemon with that number, now; None when it has ended."""
    try:
        below = sum(resident(child) for child in children_of(pid))
        files = len(os.listdir(f"/proc/{pid}/fd"))
        return Sample(frames, resident(pid), below, files, len(os.listdir(f"/proc/{pid}/task")))
    except OSError:
        return None


def resident(pid: int) -> int:
    """Bytes; raises OSError."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE


def slope(frames: Sequence[int], values: Sequence[float]) -> tuple[float, float]:
    """Growth per PER frames by least squares, and its standard error; needs three samples at least."""
    x, y = np.asarray(frames, float) / PER, np.asarray(values, float)
    x = x - x.mean()
    steep = float((x @ y) / (x @ x))
    rest = y - y.mean() - steep * x
    return steep, float(np.sqrt((rest @ rest) / (len(x) - 2) / (x @ x)))


def growth(samples: Sequence[Sample], frames: int) -> dict[str, float]:
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
