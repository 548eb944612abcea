"""What waits in memory for the next commit."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

MOST = 20_000
"""Observations held while the disk refuses, some 5 MB: about a quarter of an hour of two faces ten times a second."""
MOST_EVENTS = 100

Row = tuple[Any, ...]
"""wall_ms, label, clock_ok, track, confidence, probabilities."""


@dataclass(frozen=True)
class Event:
    """Something that is written down beside the observations.

    Attributes:
        kind: `clock`, `dropped` or `damaged`; amount: milliseconds, or observations.
    """

    wall_ms: int
    kind: str
    amount: int
    note: str


@dataclass(frozen=True)
class Batch:
    """Rows and events for one transaction."""

    rows: list[Row]
    events: list[Event]


@dataclass
class Waiting:
    """Observations and events, first in, first out, bounded; safe between threads."""

    _rows: list[Row] = field(default_factory=list)
    _events: list[Event] = field(default_factory=list)
    _dropped: int = 0
    _untold: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, row: Row) -> None:
        """Take a row."""
        with self._lock:
            self._rows.append(row)
            self._bound()

    def tell(self, event: Event) -> None:
        """Take an event; the oldest go when too many wait."""
        with self._lock:
            self._events = [*self._events, event][-MOST_EVENTS:]

    def take(self) -> Batch:
        """Everything that waits, with what was dropped as an event of its own."""
        with self._lock:
            if self._untold and self._rows:
                note = "observations were lost, because the disk refused for too long"
                self._events.append(Event(self._rows[0][0], "dropped", self._untold, note))
                self._untold = 0
            batch = Batch(self._rows, self._events)
            self._rows, self._events = [], []
        return batch

    def put_back(self, batch: Batch) -> None:
        """Return a batch that could not be written; it comes before what arrived meanwhile."""
        with self._lock:
            self._rows = batch.rows + self._rows
            self._untold += sum(e.amount for e in batch.events if e.kind == "dropped")
            self._events = [e for e in batch.events if e.kind != "dropped"] + self._events
            self._bound()

    def counts(self) -> tuple[int, int]:
        """How many observations wait, and how many were dropped since the start."""
        with self._lock:
            return len(self._rows), self._dropped

    def _bound(self) -> None:
        over = len(self._rows) - MOST
        if over > 0:
            del self._rows[:over]
            self._dropped += over
            self._untold += over
