"""How long rows stay: by age and by size, a bounded piece of work at a time."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from .clock import Stamp
from .schema import left_files, transaction

BATCH = 5000
"""Rows removed by one call: some tens of milliseconds, and far more than a kiosk adds in the second between calls."""
PAGES = 500
"""Free pages given back to the file system by one call."""
KEPT_EVENTS = 1000
_LOG = 5 << 20
"""Room that the write-ahead log takes beside the database, bytes: SQLite checkpoints at 4 MiB."""

# What is too old. A good stamp speaks for itself. A row whose stamp is no good (clock not synchronised, or in the
# future) is older than every row written after it, so it goes with the first good one after it that is too old.
_GOOD = """
SELECT max(seq) FROM (SELECT seq FROM observations WHERE clock_ok = 1 AND wall_ms < :before ORDER BY wall_ms LIMIT 5000)
"""
OLD = "seq <= :upto AND (wall_ms < :before OR clock_ok = 0 OR wall_ms > :now)"
# While the clock is not synchronised nothing is known of rows that were; the others have the same clock.
OLD_UNDATED = "clock_ok = 0 AND wall_ms < :before"


@dataclass(frozen=True)
class RetentionLimits:
    """How long and how much the history keeps.

    Attributes:
        days: age in days; 0 keeps rows of any age.
        mib: size of the database with its log, MiB; 0 lets it grow.
    """

    days: float = 30.0
    mib: float = 512.0


def retain(database: sqlite3.Connection, limits: RetentionLimits, now: Stamp) -> bool:
    """Remove one batch of rows that are too old or do not fit, oldest first, and give free pages back.

    Returns:
        Whether there is more to do. Raises sqlite3.Error.
    """
    before = now.wall_ms - round(limits.days * 86_400_000)
    removed = 0
    with transaction(database):
        if limits.days:
            removed = _remove_old(database, before, now)
        if not removed and limits.mib:
            removed = _remove_surplus(database, _room(limits))
        _forget_runs(database)
    pages, free = _pragma(database, "page_count"), _pragma(database, "freelist_count")
    loose = free * 10 > pages
    if loose:
        database.executescript(f"PRAGMA incremental_vacuum({PAGES})")  # `execute` would take one page and stop
    return removed == BATCH or (loose and free > PAGES) or bool(limits.mib and _surplus(database, _room(limits)))


def drop_set_aside(folder: Path, limits: RetentionLimits, now_s: float | None = None) -> None:
    """Remove damaged and left files that are older than rows may be, or larger than a store may be."""
    now_s = time.time() if now_s is None else now_s
    for path in left_files(folder):
        seen = path.stat()
        too_old = limits.days and now_s - seen.st_mtime > limits.days * 86400
        if too_old or (limits.mib and seen.st_size > limits.mib * (1 << 20)):
            path.unlink()


def condition_of_age(database: sqlite3.Connection, before_ms: int, now_ms: int) -> tuple[str, dict[str, int]]:
    """An SQL condition, and its values, that holds for the rows that were written before a moment."""
    newest = database.execute("SELECT max(seq) FROM observations WHERE clock_ok = 1 AND wall_ms < ?", (before_ms,))
    values = {"before": before_ms, "now": now_ms, "upto": newest.fetchone()[0] or 0}
    return f"({OLD}) OR ({OLD_UNDATED})", values


def _remove_old(database: sqlite3.Connection, before: int, now: Stamp) -> int:
    if not now.ok:
        return _remove(database, OLD_UNDATED, {"before": before})
    (upto,) = database.execute(_GOOD, {"before": before}).fetchone()
    return 0 if upto is None else _remove(database, OLD, {"before": before, "now": now.wall_ms, "upto": upto})


def _remove_surplus(database: sqlite3.Connection, room: float) -> int:
    share = _surplus(database, room)
    first, last = database.execute("SELECT min(seq), max(seq) FROM observations").fetchone()
    if not share or first is None:
        return 0
    return _remove(database, "1", {}, min(BATCH, int(share * (last - first)) + 1))


def _remove(database: sqlite3.Connection, condition: str, values: dict[str, int], most: int = BATCH) -> int:
    oldest = f"SELECT seq FROM observations WHERE {condition} ORDER BY seq LIMIT {most}"
    return database.execute(f"DELETE FROM observations WHERE seq IN ({oldest})", values).rowcount


def _forget_runs(database: sqlite3.Connection) -> None:
    """Runs before the oldest row, and all but the newest events."""
    database.execute("DELETE FROM runs WHERE run < (SELECT run FROM observations ORDER BY seq LIMIT 1)")
    database.execute("DELETE FROM events WHERE event <= (SELECT max(event) FROM events) - ?", (KEPT_EVENTS,))


def _surplus(database: sqlite3.Connection, room: float) -> float:
    """Which share of the pages that hold something is too much for so many bytes; 0 when there are no rows."""
    used = (_pragma(database, "page_count") - _pragma(database, "freelist_count")) * _pragma(database, "page_size")
    some = database.execute("SELECT 1 FROM observations LIMIT 1").fetchone()
    return max(0.0, 1 - room / used) if some else 0.0


def _room(limits: RetentionLimits) -> float:
    whole = limits.mib * (1 << 20)
    return whole - min(_LOG, whole / 4)


def _pragma(database: sqlite3.Connection, name: str) -> int:
    return int(database.execute(f"PRAGMA {name}").fetchone()[0])
