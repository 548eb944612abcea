"""From each version of the tables to the next; a step runs inside one transaction and is never changed afterwards."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping

_SECOND = """
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE runs (
    run INTEGER PRIMARY KEY AUTOINCREMENT, boot TEXT NOT NULL, began_ms INTEGER NOT NULL, labels TEXT NOT NULL
);
INSERT INTO runs SELECT run, '', CAST(round(min(time_s) * 1000) AS INTEGER), '[]' FROM observations GROUP BY run;
ALTER TABLE observations RENAME TO first;
CREATE TABLE observations (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, wall_ms INTEGER NOT NULL, label TEXT NOT NULL, clock_ok INTEGER NOT NULL,
    run INTEGER NOT NULL, track INTEGER NOT NULL, confidence REAL NOT NULL, probabilities BLOB
);
INSERT INTO sqlite_sequence SELECT 'observations', seq FROM sqlite_sequence WHERE name = 'first';
INSERT INTO observations
    SELECT seq, CAST(round(time_s * 1000) AS INTEGER), label, 0, run, track, confidence, NULL FROM first ORDER BY seq;
DROP TABLE first;
CREATE INDEX observations_by_time ON observations (clock_ok, wall_ms);
CREATE TABLE events (
    event INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL, wall_ms INTEGER NOT NULL, kind TEXT NOT NULL,
    amount INTEGER NOT NULL, note TEXT NOT NULL
);
"""


def _to_second(database: sqlite3.Connection) -> None:
    """Version 1 had one table: seq, time_s (wall-clock seconds), run, track, label, confidence.

    It did not say whether the clock was synchronised, so its rows are marked as if it was not.
    """
    for statement in _SECOND.split(";")[:-1]:
        database.execute(statement)


MIGRATIONS: Mapping[int, Callable[[sqlite3.Connection], None]] = {1: _to_second}
"""Version -> what makes the next one of it."""
