"""What is in a kiosk's store and at its broker, and what is missing there."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from fer_edge.runtime.storage import kiosk_path


@dataclass(frozen=True)
class Place:
    """Where a store stands: its last row's number and its last run's."""

    seq: int
    run: int


def place(folder: Path) -> Place:
    """Of the store in a folder; raises sqlite3.Error when it cannot be read."""
    with closing(_opened(folder)) as database:
        seq = database.execute("SELECT max(seq) FROM observations").fetchone()[0]
        run = database.execute("SELECT max(run) FROM runs").fetchone()[0]
        return Place(seq or 0, run or 0)


def rows_of(folder: Path, run: int) -> int:
    """Observations of one run."""
    with closing(_opened(folder)) as database:
        return int(database.execute("SELECT count(*) FROM observations WHERE run = ?", (run,)).fetchone()[0])


def longest_gap_s(folder: Path, since: int) -> float:
    """The longest time between two observations from that number on.

    Their stamps are by the wall clock; by how much it was set is written beside them, and taken off.
    """
    with closing(_opened(folder)) as database:
        words = "SELECT wall_ms FROM observations WHERE seq >= ? ORDER BY seq"
        stamps = [stamp for (stamp,) in database.execute(words, (since,))]
        words = "SELECT amount FROM events WHERE kind = 'clock'"
        jumps = {int(amount) for (amount,) in database.execute(words)}
    return max((_apart_ms(a, b, jumps) for a, b in pairwise(stamps)), default=0) / 1000


def clock_events(folder: Path) -> list[int]:
    """By how many milliseconds the clock was set, oldest first."""
    with closing(_opened(folder)) as database:
        words = "SELECT amount FROM events WHERE kind = 'clock' ORDER BY event"
        return [int(amount) for (amount,) in database.execute(words)]


def damage(folder: Path) -> str:
    """What `PRAGMA integrity_check` says against the store, and any file set aside; empty when it is whole."""
    with closing(_opened(folder)) as database:
        said = "; ".join(line for (line,) in database.execute("PRAGMA integrity_check"))
    aside = sorted(path.name for path in folder.glob("kiosk.damaged-*"))
    return "" if said == "ok" and not aside else f"{said} {' '.join(aside)}"


def missing_numbers(texts: Sequence[str]) -> list[int]:
    """Snapshots that never came: between the first and the last sequence number heard, those that were not."""
    heard = {int(json.loads(text)["sequence"]) for text in texts}
    return sorted(set(range(min(heard), max(heard) + 1)) - heard) if heard else []


def _apart_ms(a: int, b: int, jumps: set[int]) -> int:
    """Between two stamps, without the jump between them if there was one."""
    return min((abs(b - a - jump) for jump in (0, *jumps)), default=0)


def _opened(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{kiosk_path(folder).resolve().as_uri()}?mode=ro", uri=True, timeout=5.0)
