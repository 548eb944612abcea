"""Observations and events that wait in memory for the next commit, and how a commit writes them."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .clock import Stamp, boot_id
from .retention import RetentionLimits

MAX_WAITING = 20_000
"""Observations held while the disk refuses, some 5 MB: about a quarter of an hour of two faces ten times a second."""
MAX_EVENTS = 100

Values = tuple[Any, ...]
"""wall_ms, label, clock_ok, track, confidence, probabilities, camera."""

_INSERT = """
INSERT INTO observations (run, wall_ms, label, clock_ok, track, confidence, probabilities, camera)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""


@dataclass(frozen=True)
class Event:
    """What is kept beside the observations: `clock`, `dropped` or `damaged`; the amount in ms, or observations."""

    wall_ms: int
    kind: str
    amount: int
    note: str


@dataclass(frozen=True)
class Batch:
    """Rows and events for one transaction."""

    rows: list[Values]
    events: list[Event]


@dataclass
class Waiting:
    """Observations and events, first in, first out, bounded; safe between threads."""

    _rows: list[Values] = field(default_factory=list)
    _events: list[Event] = field(default_factory=list)
    _dropped: int = 0
    _unreported: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, row: Values) -> None:
        """Take a row."""
        with self._lock:
            self._rows.append(row)
            self._bound()

    def add_event(self, event: Event) -> None:
        """Take an event; the oldest go when too many wait."""
        with self._lock:
            self._events = [*self._events, event][-MAX_EVENTS:]

    def take(self) -> Batch:
        """Everything that waits, with what was dropped as an event of its own."""
        with self._lock:
            if self._unreported and self._rows:
                note = "observations were lost, because the disk refused for too long"
                self._events.append(Event(self._rows[0][0], "dropped", self._unreported, note))
                self._unreported = 0
            batch = Batch(self._rows, self._events)
            self._rows, self._events = [], []
        return batch

    def put_back(self, batch: Batch) -> None:
        """Return a batch that could not be written; it comes before what arrived meanwhile."""
        with self._lock:
            self._rows = batch.rows + self._rows
            self._unreported += sum(e.amount for e in batch.events if e.kind == "dropped")
            self._events = [e for e in batch.events if e.kind != "dropped"] + self._events
            self._bound()

    def counts(self) -> tuple[int, int]:
        """How many observations wait, and how many were dropped since the start."""
        with self._lock:
            return len(self._rows), self._dropped

    def _bound(self) -> None:
        over = len(self._rows) - MAX_WAITING
        if over > 0:
            del self._rows[:over]
            self._dropped += over
            self._unreported += over


def begin_run(database: sqlite3.Connection, now: Stamp, labels: Sequence[str], set_aside: str) -> int:
    """Add a run and return its number, with events for a damaged file that was set aside and a clock that is behind."""
    facts = (boot_id(), now.wall_ms, json.dumps(labels))
    run = database.execute("INSERT INTO runs (boot, began_ms, labels) VALUES (?, ?, ?)", facts).lastrowid or 0
    if set_aside:
        _write_event(database, run, Event(now.wall_ms, "damaged", 0, f"a damaged store was set aside as {set_aside}"))
    last = database.execute("SELECT wall_ms FROM observations ORDER BY seq DESC LIMIT 1").fetchone()
    if last and last[0] > now.wall_ms:
        words = "the wall clock stands before the last observation of an earlier run"
        _write_event(database, run, Event(now.wall_ms, "clock", now.wall_ms - last[0], words))
    return run


def write_batch(database: sqlite3.Connection, run: int, batch: Batch) -> None:
    """Add its rows and events."""
    database.executemany(_INSERT, [(run, *row) for row in batch.rows])
    for event in batch.events:
        _write_event(database, run, event)


def write_limits(database: sqlite3.Connection, limits: RetentionLimits) -> None:
    """Keep them for `fer-edge data show`, which does not read the configuration."""
    facts = [("keep_days", f"{limits.days:g}"), ("keep_mib", f"{limits.mib:g}")]
    database.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", facts)


def _write_event(database: sqlite3.Connection, run: int, event: Event) -> None:
    words = "INSERT INTO events (run, wall_ms, kind, amount, note) VALUES (?, ?, ?, ?, ?)"
    database.execute(words, (run, event.wall_ms, event.kind, event.amount, event.note))
