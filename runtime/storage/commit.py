"""What one commit writes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from .batch import Batch, Event
from .clock import Stamp, boot_id
from .retention import Limits

_ROW = """
INSERT INTO observations (run, wall_ms, label, clock_ok, track, confidence, probabilities) VALUES (?, ?, ?, ?, ?, ?, ?)
"""


def begin_run(database: sqlite3.Connection, now: Stamp, labels: Sequence[str], set_aside: str) -> int:
    """Add a run and return its number; say that a damaged file was set aside, and that the clock stands back."""
    facts = (boot_id(), now.wall_ms, json.dumps(labels))
    run = database.execute("INSERT INTO runs (boot, began_ms, labels) VALUES (?, ?, ?)", facts).lastrowid or 0
    if set_aside:
        _tell(database, run, Event(now.wall_ms, "damaged", 0, f"a damaged store was set aside as {set_aside}"))
    last = database.execute("SELECT wall_ms FROM observations ORDER BY seq DESC LIMIT 1").fetchone()
    if last and last[0] > now.wall_ms:
        words = "the wall clock stands before the last observation of an earlier run"
        _tell(database, run, Event(now.wall_ms, "clock", now.wall_ms - last[0], words))
    return run


def put(database: sqlite3.Connection, run: int, batch: Batch) -> None:
    """Add a batch."""
    database.executemany(_ROW, [(run, *row) for row in batch.rows])
    for event in batch.events:
        _tell(database, run, event)


def tell_limits(database: sqlite3.Connection, limits: Limits) -> None:
    """For `fer-edge data show`, which does not read the configuration."""
    facts = [("keep_days", f"{limits.days:g}"), ("keep_mib", f"{limits.mib:g}")]
    database.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", facts)


def _tell(database: sqlite3.Connection, run: int, event: Event) -> None:
    words = "INSERT INTO events (run, wall_ms, kind, amount, note) VALUES (?, ?, ?, ?, ?)"
    database.execute(words, (run, event.wall_ms, event.kind, event.amount, event.note))
