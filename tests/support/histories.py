"""A kiosk's history with a clock of the test's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fer_edge.bundle import LABELS
from fer_edge.runtime.storage.clock import WallClock
from fer_edge.runtime.storage.history import History
from fer_edge.runtime.types import Frame, Observation

DAY = 86_400.0
NOON = 1_780_000_000.0
"""A moment of May 2026, seconds."""
FRAME = Frame(0, 0.0, np.zeros((1, 1, 3), np.uint8))


class Time:
    """A wall clock and a monotonic clock in the test's hand."""

    def __init__(self, wall: float = NOON, ok: bool = True) -> None:
        self.wall, self.monotonic, self.ok = wall, 100.0, ok
        self.clock = WallClock(lambda: self.wall, lambda: self.monotonic, lambda: self.ok)

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds


def seen(track: int = 1, label: str = "happy") -> Observation:
    row = tuple(0.7 if name == label else 0.05 for name in LABELS)
    return Observation(0, 0.0, track, label, 0.7, label, row, (1.0, 2.0, 3.0, 4.0))


def put(sink: History, *tracks: int, label: str = "happy") -> bool:
    """Have each of these faces seen once and commit; whether they are on the disk."""
    for track in tracks:
        sink.write(FRAME, [seen(track, label)])
    return sink.commit()


def store(folder: Path, time: Time | None = None, **more: object) -> History:
    """One without a thread: the test says when it commits."""
    return History(folder, clock=(time or Time()).clock, start=False, labels=LABELS, **more)  # type: ignore[arg-type]
