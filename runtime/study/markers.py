"""Markers and signals that a table brings to a session: a CSV whose times count from the session's beginning."""

from __future__ import annotations

import csv
import math
import re
import shlex
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError, OutputError, UsageError
from ...files import NotText, read_text
from ..storage import store_path
from ..storage.lock import Claim
from ..storage.session import MARKER_TABLES, MAX_NAME, Marker, Session, marker_name, open_session

_TIME_OF_DAY = re.compile(r"\d{1,2}:\d\d|\d{4}-\d\d?-\d\d?|\d\d?[./]\d\d?[./]\d{2,4}")
_SINCE_1970 = 1e8
"""Seconds; whoever writes such a time counts from 1970 (three years after it, at least)."""


@dataclass(frozen=True)
class Joined:
    """What a table brought: how many markers, samples by signal, and samples outside the session, left out."""

    markers: int
    signals: Mapping[str, int]
    outside: int


@dataclass(frozen=True)
class Table:
    """A table as it was read: markers, and samples (seconds, signal, value)."""

    markers: tuple[Marker, ...]
    samples: tuple[tuple[float, str, float], ...]


def join_csv(folder: Path, path: Path) -> Joined:
    """Put a table into a session: `time_s,name` are markers, `time_s` with columns of numbers are signals.

    Markers outside the session are an error; samples there, since devices run longer, are left out and counted.

    Raises InputError: the table or session cannot be read, or its times are wrong; UsageError: it was joined already,
    or the session is being recorded; OutputError. Nothing is written then.
    """
    session = open_session(folder)
    table = read_table(path)
    end_s = _end_s(session)
    for line, marker in enumerate(table.markers, 2):
        if not 0 <= marker.time_s <= end_s:
            raise _outside(path, line, marker.time_s, end_s, session)
    kept = [sample for sample in table.samples if 0 <= sample[0] <= end_s]
    if table.samples and not kept:
        raise _outside(path, 2, table.samples[0][0], end_s, session)
    _write(session, Table(table.markers, tuple(kept)), path)
    names = [name for _, name, _ in kept]
    return Joined(len(table.markers), {n: names.count(n) for n in sorted(set(names))}, len(table.samples) - len(kept))


def read_table(path: Path) -> Table:
    """Read a table; raises InputError for the first line that is wrong."""
    try:
        lines = read_text(path).splitlines()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", hint=f"ls -l {shlex.quote(str(path))}") from None
    except NotText as error:
        raise InputError(f"{path} {error}") from None
    rows = list(csv.reader(lines))
    header = [name.strip() for name in rows[0]] if rows else []
    if "time_s" not in header or len(header) < 2 or len(set(header)) < len(header):
        raise InputError(
            f"{path} needs a first line that names its columns, time_s among them",
            cause=f"it is {', '.join(header) or 'empty'}",
            hint="time_s,name for markers; time_s,heart_rate for a signal",
        )
    markers, samples, before = [], [], -math.inf
    for number, row in enumerate(rows[1:], 2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            raise _wrong(path, number, f"has {len(row)} columns, the first line {len(header)}")
        cells = dict(zip(header, (cell.strip() for cell in row), strict=True))
        time_s = _time_s(path, number, cells.pop("time_s"))
        if time_s < before:
            raise _wrong(path, number, f"goes back in time, from {before:g} s to {time_s:g} s")
        before = time_s
        if "name" in cells:
            markers.append(Marker(time_s, _name(path, number, cells["name"]), f"csv:{path.name}"))
            continue
        samples += [(time_s, name, _number(path, number, name, text)) for name, text in cells.items() if text]
    if not markers and not samples:
        raise InputError(f"{path} has no line below its first", hint=f"cat {shlex.quote(str(path))}")
    return Table(tuple(markers), tuple(samples))


def _time_s(path: Path, line: int, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isfinite(value):
        return value
    if _TIME_OF_DAY.search(text):
        raise _wrong(path, line, f"has the time of day {text}", "time_s is seconds from the session's beginning")
    raise _wrong(path, line, f"has no number of seconds in time_s, but {text!r}")


def _number(path: Path, line: int, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _wrong(
            path, line, f"has no number in {name}, but {text!r}", "decimals have a point, and text is no signal"
        )
    return value


def _name(path: Path, line: int, text: str) -> str:
    if not marker_name(text):
        raise _wrong(path, line, f"has no name of 1 to {MAX_NAME} characters in one line")
    return text


def _end_s(session: Session) -> float:
    """The last frame's time and how long frames last; raises InputError for what has no time.

    To the millisecond, as people are told it: a sum of thirtieths may come to 0.99999.
    """
    times = [time_s for _, time_s, name in session.frames() if not name]
    if not times:
        raise InputError(f"{session.folder} has no time: it is of pictures, or nothing was seen")
    return round(times[-1] + (times[-1] - times[0]) / max(len(times) - 1, 1), 3)


def _write(session: Session, table: Table, path: Path) -> None:
    claim = Claim(session.folder, "it is being recorded now", "wait until it has ended")
    try:
        with closing(sqlite3.connect(store_path(session.folder))) as database, database:
            database.executescript("BEGIN IMMEDIATE;" + MARKER_TABLES)
            known = database.execute("SELECT 1 FROM joined WHERE name = ?", (path.name,)).fetchone()
            if known:
                raise UsageError(
                    f"a table of the name {path.name} was joined to {session.folder} already",
                    cause="its markers would count twice",
                    hint="rename it if it is another one",
                )
            database.execute("INSERT INTO joined VALUES (?)", (path.name,))
            rows = [(m.time_s, m.name, m.source) for m in table.markers]
            database.executemany("INSERT INTO markers VALUES (?, ?, ?)", rows)
            database.executemany("INSERT INTO signals VALUES (?, ?, ?)", table.samples)
    except sqlite3.Error as error:
        raise OutputError(
            f"cannot write {store_path(session.folder)}: {error}",
            cause="the disk is full or read-only; the session is as it was",
            hint=f"df -h {shlex.quote(str(session.folder))}",
        ) from error
    finally:
        claim.release()


def _wrong(path: Path, line: int, what: str, cause: str = "") -> InputError:
    return InputError(f"{path}: line {line} {what}", cause=cause, hint=f"sed -n {line}p {shlex.quote(str(path))}")


def _outside(path: Path, line: int, time_s: float, end_s: float, session: Session) -> InputError:
    began_ms = session.facts.get("started_wall_ms", 0)
    since = f"; take {began_ms / 1000:.3f} off, when it began" if time_s > _SINCE_1970 and began_ms else ""
    return InputError(
        f"{path}: line {line} is at {time_s:g} s, outside the session, which goes from 0 to {end_s:.3f} s",
        cause=f"its times count from 1970{since}" if since else "it is of another session, or its clock was another",
        hint=f"fer-edge report {shlex.quote(str(session.folder))} --only csv",
    )
