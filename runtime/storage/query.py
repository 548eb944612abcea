"""Reading a kiosk's history, also while it is being written: rows and a summary."""

from __future__ import annotations

import json
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError
from . import kiosk_path
from .batch import Event
from .schema import VERSION, set_aside_files, version_of

PAGE = 5000
"""Rows read at once: a long read would keep the writer's log from being emptied."""
FOREVER = (-(1 << 62), 1 << 62)


@dataclass(frozen=True)
class HistoryRow:
    """An observation as it was kept.

    Attributes:
        probabilities: label -> 0..1, or None when they were not kept.
        camera: empty where there was no other.
    """

    seq: int
    wall_ms: int
    clock_ok: bool
    run: int
    track: int
    label: str
    confidence: float
    probabilities: dict[str, float] | None
    camera: str = ""


@dataclass(frozen=True)
class KeptEvent(Event):
    """An event with the run that it belongs to."""

    run: int


@dataclass(frozen=True)
class Summary:
    """What a history holds.

    Attributes:
        first_ms, last_ms: stamps of a synchronised clock, None without one; undated: rows without one.
        bytes: of its files; keep_days, keep_mib: its limits, None before the first commit.
        closed: no kiosk is writing it, and none was killed while it did.
        set_aside: names of damaged files.
    """

    folder: str
    rows: int
    first_ms: int | None
    last_ms: int | None
    undated: int
    runs: int
    bytes: int
    keep_days: float | None
    keep_mib: float | None
    closed: bool
    events: list[KeptEvent]
    set_aside: list[str]


@contextmanager
def reading(folder: Path) -> Iterator[sqlite3.Connection]:
    """A connection that can only read; raises InputError when there is no store, or it cannot be read, also later."""
    path = kiosk_path(folder).resolve()
    if not path.is_file():
        raise InputError(
            f"{folder} holds no kiosk's store: there is no {path.name} in it",
            cause="the path is wrong, or the kiosk has never run",
            hint="fer-edge config show",
        )
    # Without a log nobody writes, and a read-only medium has no room for the shared memory that WAL wants.
    fixed = "" if path.with_name(path.name + "-wal").exists() else "&immutable=1"
    try:
        database = sqlite3.connect(f"{path.as_uri()}?mode=ro{fixed}", uri=True, timeout=5.0)
        try:
            database.execute("PRAGMA temp_store = MEMORY")
            if version_of(database, path) != VERSION:
                raise sqlite3.DatabaseError(
                    "an older fer-edge wrote it; the next start of the kiosk brings it up to date"
                )
            yield database
        finally:
            database.close()
    except sqlite3.Error as error:
        raise InputError(
            f"the store in {folder} cannot be read: {error}",
            cause="the file was damaged, or belongs to somebody else",
            hint=f"ls -l {path.parent}",
        ) from error


def rows(database: sqlite3.Connection, span: tuple[int, int] = FOREVER) -> Iterator[HistoryRow]:
    """Rows in the order in which they were written, with a stamp from span[0] up to but not span[1], milliseconds."""
    labels = {run: json.loads(text) for run, text in database.execute("SELECT run, labels FROM runs")}
    last = 0
    while True:
        page = database.execute(_PAGE, (last, *span, PAGE)).fetchall()
        for seq, wall_ms, ok, run, track, label, confidence, blob, camera in page:
            probabilities = None
            if blob is not None:
                probabilities = dict(zip(labels.get(run, ()), struct.unpack(f"<{len(blob) // 4}f", blob), strict=False))
            yield HistoryRow(seq, wall_ms, bool(ok), run, track, label, confidence, probabilities, camera)
        if len(page) < PAGE:
            return
        last = page[-1][0]


_PAGE = """
SELECT seq, wall_ms, clock_ok, run, track, label, confidence, probabilities, camera FROM observations
WHERE seq > ? AND wall_ms >= ? AND wall_ms < ? ORDER BY seq LIMIT ?
"""


def summary(folder: Path) -> Summary:
    """What a history holds; raises InputError."""
    with reading(folder) as database:
        about = dict(database.execute("SELECT key, value FROM about"))
        count, first, last, undated = database.execute(_SPAN).fetchone()
        files = [p for p in folder.iterdir() if p.name.startswith(kiosk_path(folder).name)]
        events = database.execute("SELECT wall_ms, kind, amount, note, run FROM events ORDER BY event")
        return Summary(
            folder=str(folder),
            rows=count,
            first_ms=first,
            last_ms=last,
            undated=undated or 0,
            runs=database.execute("SELECT count(*) FROM runs").fetchone()[0],
            bytes=sum(p.stat().st_size for p in files),
            keep_days=json.loads(about.get("keep_days", "null")),
            keep_mib=json.loads(about.get("keep_mib", "null")),
            closed="open" not in about,
            events=[KeptEvent(*event) for event in events],
            set_aside=[p.name for p in set_aside_files(folder)],
        )


_SPAN = """
SELECT count(*), min(wall_ms) FILTER (WHERE clock_ok), max(wall_ms) FILTER (WHERE clock_ok), sum(NOT clock_ok)
FROM observations
"""
