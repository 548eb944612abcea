"""Forgetting on request: removes rows, recordings and what waits for the broker, overwrites what held them, and looks
whether any is left in the files of `keeping/places.py`, which lists them all."""

from __future__ import annotations

import mmap
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError, OutputError
from ...files import cannot_write
from ...words import counted
from ..keeping.places import Places, began_s, places_of
from . import kiosk_path
from .lock import Claim
from .query import reading
from .retention import condition_of_age
from .schema import SIDES, left_files, open_store, transaction

Stamps = dict[str, NDArray[np.int64]]
"""Label -> sorted stamps of the rows that showed it."""
_NONE: NDArray[np.int64] = np.empty(0, np.int64)
_BLOCK = 1 << 20
_WIDTHS = (1, 2, 3, 4, 6, 8)
"""Bytes that SQLite takes for an integer (sqlite.org/fileformat2.html, serial types 1 to 6)."""


@dataclass(frozen=True)
class Wiped:
    """Result of `wipe`.

    Attributes:
        rows: removed; None when a damaged file could not be counted.
        searched: bytes that were searched afterwards.
        recordings: sessions removed.
        absent: folders in which sessions were recorded and which are not there now: nothing in them was removed.
    """

    rows: int | None
    searched: int
    recordings: int = 0
    absent: tuple[Path, ...] = ()


def recordings_to_wipe(folder: Path, before_ms: int | None = None) -> list[Path]:
    """Recorded sessions of the kiosk with its store there: all, or those begun before a moment; raises OutputError."""
    try:
        sessions = places_of(folder).recordings()
        return [s for s in sessions if before_ms is None or 1000 * began_s(s) < before_ms]
    except OSError as error:
        raise cannot_write(Path(error.filename or folder), error) from error


def wipe(folder: Path, before_ms: int | None = None, now_ms: int | None = None) -> Wiped:
    """Remove every row and recording, or those of before a moment, and prove it by searching the files that remain.

    Everything: the files are overwritten with zeros and removed, which needs no room on a full disk. A part: the rows
    are deleted with `secure_delete`, the database is rebuilt (VACUUM) and the log overwritten; recordings go whole.
    Damaged files that were set aside and what waits for the broker go in both cases, because nobody tells their rows
    apart. Flash may keep old blocks out of sight; only an encrypted card helps against that.

    Args:
        before_ms: milliseconds since 1970; rows whose clock was not synchronised go by the rows around them.
        now_ms: this moment (default: by the wall clock); a stamp after it is wrong.

    Raises:
        InputError: there is nothing; UsageError: a kiosk is writing it; OutputError: cannot write, or text is left.
    """
    path, places = kiosk_path(folder), places_of(folder)
    sessions = recordings_to_wipe(folder, before_ms)
    if not (places.history() or sessions or places.backlog()):
        raise InputError(f"{folder} holds no kiosk's store", cause="the path is wrong", hint="fer-edge config show")
    claim = Claim(folder)
    try:
        _remove_files(places, sessions)
        rows, gone, kept = _rows(places, before_ms, round(time.time() * 1000) if now_ms is None else now_ms)
        if before_ms is None and (left := [*places.history(), *places.backlog(), *places.recordings()]):
            raise OutputError(f"these came back: {', '.join(map(str, left))}", cause="another program writes them")
        return Wiped(rows, _prove(path, gone, kept), len(sessions), tuple(places.absent()))
    except sqlite3.Error as error:
        raise OutputError(
            f"cannot wipe {path}: {error}",
            cause="the disk is full or the file is damaged; wiping everything works in both cases",
            hint=f"fer-edge data wipe {folder} --yes",
        ) from error
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise cannot_write(path, error) from error
    finally:
        claim.release()


def _remove_files(places: Places, sessions: list[Path]) -> None:
    """Remove what goes whole: recordings, the backlog, damaged stores; raises OutputError with all that is left."""
    files = [*places.backlog(), *left_files(places.store)]
    left = shred_all(files, sessions)
    if left:
        raise OutputError(
            f"these are left, and nothing of the store was removed: {', '.join(map(str, left))}",
            cause=f"{next(iter(left.values()))}",
            hint=f"sudo fer-edge data wipe {places.store} --yes",
        )


def shred_all(files: Iterable[Path], folders: Sequence[Path]) -> dict[Path, OSError]:
    """Overwrite and remove files, and whole folders; what could not be removed, and why."""
    left = {}
    for file in [*files, *(f for folder in folders for f in folder.rglob("*"))]:
        try:
            shred(file)
        except OSError as error:
            left[file] = error
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            left.setdefault(folder, OSError("not empty"))
    return left


def _rows(places: Places, before_ms: int | None, now_ms: int) -> tuple[int | None, Stamps, Stamps]:
    """Remove rows: how many, and the stamps of those that are gone, and of those that are kept."""
    path = kiosk_path(places.store)
    if before_ms is None:
        return _everything(places)
    return _a_part(path, before_ms, now_ms) if path.is_file() else (0, {}, {})


def _everything(places: Places) -> tuple[int | None, Stamps, Stamps]:
    if not places.history():
        return 0, {}, {}
    rows, gone = None, {}
    with suppress(InputError), reading(places.store) as database:  # a damaged one goes all the same, uncounted
        gone = _stamps(database, "1", {})
        rows = database.execute("SELECT count(*) FROM observations").fetchone()[0]
    for file in places.history():
        shred(file)
    return rows, gone, {}


def _a_part(path: Path, before_ms: int, now_ms: int) -> tuple[int, Stamps, Stamps]:
    with _log_overwritten(path):
        database, aside = open_store(path)
        with closing(database):
            if aside:
                raise sqlite3.DatabaseError(f"it was damaged and is now called {aside}")
            database.execute("PRAGMA journal_size_limit = -1")  # a log that is cut short cannot be overwritten
            condition, values = condition_of_age(database, before_ms, now_ms)
            gone = _stamps(database, condition, values)
            with transaction(database):
                rows = database.execute(f"DELETE FROM observations WHERE {condition}", values).rowcount
                database.execute("DELETE FROM runs WHERE run NOT IN (SELECT DISTINCT run FROM observations)")
            database.execute("VACUUM")
            kept = _stamps(database, "1", {})
            database.execute("DELETE FROM about WHERE key = 'open'")
    return rows, gone, kept


def _stamps(database: sqlite3.Connection, condition: str, values: dict[str, int]) -> Stamps:
    """The stamps of the rows for which a condition holds, by label."""
    labels = [label for (label,) in database.execute("SELECT DISTINCT label FROM observations")]
    query = f"SELECT wall_ms FROM observations WHERE label = :label AND ({condition})"
    found = {}
    for label in labels:
        stamps = (ms for (ms,) in database.execute(query, {**values, "label": label}))
        found[label] = np.unique(np.fromiter(stamps, np.int64))
    return found


def _prove(path: Path, gone: Stamps, kept: Stamps) -> int:
    """Search what is left of the store for rows that should be gone; returns the bytes searched, raises OutputError."""
    searched = 0
    for file in (path.with_name(path.name + side) for side in SIDES):
        if not file.exists() or not file.stat().st_size:
            continue
        searched += file.stat().st_size
        if left := traces(file, gone, kept):
            raise OutputError(
                f"{file} still holds the text of {counted(left, 'row')} that should be gone",
                cause="another program held the file open",
                hint=f"fer-edge data wipe {path.parent} --yes",
            )
    return searched


def traces(file: Path, gone: Stamps, kept: Stamps) -> int:
    """How many rows of `gone` can be recognised in a file's bytes: a stamp as SQLite writes it, and then the label.

    The end of a kept row's stamp may read like the shorter stamp of a row of 1970; what reads as a kept row is one.
    """
    words = re.compile(b"|".join(re.escape(w.encode()) for w in gone))
    left = 0
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for hit in words.finditer(data) if gone else ():
            label, stamps = hit.group().decode(), list(_readings(data, hit.start()))
            left += _any_in(gone[label], stamps) and not _any_in(kept.get(label, _NONE), stamps)
    return left


def _readings(data: mmap.mmap, end: int) -> Iterator[int]:
    """Integers that may stand before a place; SQLite takes the smallest width that holds the number."""
    for narrower, width in zip((0, *_WIDTHS), _WIDTHS, strict=False):
        if end >= width:
            value = int.from_bytes(data[end - width : end], "big", signed=True)
            if not narrower or not -(1 << (8 * narrower - 1)) <= value < 1 << (8 * narrower - 1):
                yield value


def _any_in(stamps: NDArray[np.int64], values: list[int]) -> bool:
    places = np.searchsorted(stamps, values)
    return any(at < len(stamps) and int(stamps[at]) == value for at, value in zip(places, values, strict=True))


@contextmanager
def _log_overwritten(path: Path) -> Iterator[None]:
    """Overwrite the log after SQLite has removed it: its blocks would keep every row that was written lately."""
    log = path.with_name(path.name + "-wal")
    held = os.open(log, os.O_RDWR) if log.exists() else None
    size = log.stat().st_size if held is not None else 0
    try:
        yield
        if held is not None and not log.exists():
            _zero(held, size)
    finally:
        if held is not None:
            os.close(held)


def shred(path: Path) -> None:
    """Overwrite a file with zeros in place, and remove it; folders are left, and where a link points to."""
    if path.is_dir() and not path.is_symlink():
        return
    if not path.is_file() or path.is_symlink():
        path.unlink(missing_ok=True)
        return
    opened = os.open(path, os.O_WRONLY)
    try:
        _zero(opened, path.stat().st_size)
    finally:
        os.close(opened)
    path.unlink()


def _zero(descriptor: int, size: int) -> None:
    for at in range(0, size, _BLOCK):
        os.pwrite(descriptor, bytes(min(_BLOCK, size - at)), at)
    os.fsync(descriptor)
