"""The observation store: SQLite, append-only, readable at any moment, whatever happens to the writer."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from queue import SimpleQueue
from time import monotonic
from typing import Any

from ...errors import InputError, OutputError, UsageError
from ...files import cannot_write
from ..types import Frame, Observation
from . import store_path
from .lock import Claim
from .windows import Window, WindowLog

SCHEMA = 4
"""1 had neither frames nor windows, 2 no reasons, 3 no subjects."""
BATCH_S = 1.0
"""Seconds between commits: at most this much is lost when power fails."""

_SIDE_FILES = ("", "-wal", "-shm")

_TABLES = """
CREATE TABLE session (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE observations (
    frame INTEGER NOT NULL, time_s REAL NOT NULL, track INTEGER NOT NULL,
    label TEXT NOT NULL, confidence REAL NOT NULL, raw_label TEXT NOT NULL, probabilities TEXT NOT NULL,
    box_left REAL NOT NULL, box_top REAL NOT NULL, box_width REAL NOT NULL, box_height REAL NOT NULL,
    reason TEXT NOT NULL, subject TEXT NOT NULL
);
CREATE TABLE frames (frame INTEGER NOT NULL, time_s REAL NOT NULL, picture TEXT NOT NULL);
CREATE TABLE windows (start_s REAL NOT NULL, track INTEGER NOT NULL, label TEXT NOT NULL, share REAL NOT NULL);
CREATE INDEX observations_by_time ON observations (time_s);
"""


MARKER_TABLES = """
CREATE TABLE IF NOT EXISTS markers (time_s REAL NOT NULL, name TEXT NOT NULL, source TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS signals (time_s REAL NOT NULL, name TEXT NOT NULL, value REAL NOT NULL);
CREATE TABLE IF NOT EXISTS joined (name TEXT PRIMARY KEY);
"""
"""Beside the session's own tables, in whatever is written since there are markers; `joined` are files brought in."""


@dataclass(frozen=True)
class Marker:
    """Something that happened: seconds from the session's beginning, what, and who told (keyboard, csv:FILE …)."""

    time_s: float
    name: str
    source: str


MAX_NAME = 60
"""Characters of a marker's or signal's name."""


def marker_name(text: str) -> str:
    """A text as a marker's name, or nothing where it is empty, too long or not one line."""
    name = text.strip()
    return name if 0 < len(name) <= MAX_NAME and name.isprintable() else ""


class StoreSink:
    """Writes observations to `observations.db` in a session folder."""

    def __init__(
        self, folder: Path, facts: Mapping[str, Any], replace: bool = False, clock: Callable[[], float] = monotonic
    ) -> None:
        """Create the store.

        Args:
            folder: the session's folder, made when missing.
            facts: what is true of the whole session; JSON values.
            replace: overwrite a session that is already there.
            clock: seconds, never running backwards.

        Raises:
            UsageError: there is a session already, or another process is writing one; OutputError: cannot write.
        """
        self.path = store_path(folder)
        self._made_folder = not folder.exists()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._claim = Claim(folder, "another run has this --out", "choose another --out")
        except FileExistsError:
            raise _there_already(folder) from None
        except OSError as error:
            raise error if isinstance(error, OutputError) else cannot_write(folder, error) from error
        try:
            if replace:
                for suffix in _SIDE_FILES:
                    self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))  # two at once: one wins
        except OSError as error:
            self._claim.release()
            if isinstance(error, FileExistsError):
                raise _there_already(folder) from None
            raise cannot_write(folder, error) from error
        tables = ("observations", "frames", "windows", "markers", "signals")
        self._rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in tables}
        self._marked: SimpleQueue[Marker] = SimpleQueue()
        self._sampled: SimpleQueue[tuple[float, str, float]] = SimpleQueue()
        self._windows = WindowLog()
        self._clock = clock
        self._last_commit = clock()
        try:
            self._database = sqlite3.connect(self.path)
            self._database.executescript(
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + _TABLES + MARKER_TABLES
            )
            self.note({"schema": SCHEMA, **facts})
        except (sqlite3.Error, OutputError) as error:
            self.discard()  # half a store would look like a session
            raise error if isinstance(error, OutputError) else self._failed(error) from error

    def note(self, facts: Mapping[str, Any]) -> None:
        """Add or change facts of the session and commit; raises OutputError."""
        pairs = [(key, json.dumps(value)) for key, value in facts.items()]
        try:
            with self._database:
                self._database.executemany("INSERT OR REPLACE INTO session VALUES (?, ?)", pairs)
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def mark(self, marker: Marker) -> None:
        """Keep a marker, from any thread; it is committed with the next rows."""
        self._marked.put(marker)

    def sample(self, time_s: float, name: str, value: float) -> None:
        """Keep a finite number of a signal, from any thread; it is committed with the next rows."""
        self._sampled.put((time_s, name, value))

    def write(self, frame: Frame, observations: Sequence[Observation]) -> None:
        """Keep a frame and its observations; they are committed once a second. Raises OutputError."""
        self._rows["frames"].append((frame.index, frame.time_s, frame.name))
        if not frame.name:
            self._rows["windows"] += map(astuple, self._windows.add(frame.time_s, observations))
        for o in observations:
            probabilities = json.dumps([round(p, 6) for p in o.probabilities])
            shown = (o.frame, o.time_s, o.track, o.label, o.confidence, o.raw_label, probabilities, *o.box)
            self._rows["observations"].append((*shown, o.reason, o.subject))
        if self._clock() - self._last_commit >= BATCH_S:
            self._last_commit = self._clock()
            self.commit()

    def commit(self) -> None:
        """Write what is waiting in one transaction; raises OutputError and leaves the store as it was."""
        while not self._marked.empty():
            self._rows["markers"].append(astuple(self._marked.get()))
        while not self._sampled.empty():
            self._rows["signals"].append(self._sampled.get())
        try:
            with self._database:
                for table, rows in self._rows.items():
                    if rows:
                        marks = ",".join("?" * len(rows[0]))
                        self._database.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
        except sqlite3.Error as error:
            raise self._failed(error) from error
        self._forget()

    def close(self) -> None:
        """Commit and close; raises OutputError when the last rows cannot be written."""
        try:
            self._rows["windows"] += map(astuple, self._windows.end())
            self.commit()
        finally:
            self._forget()
            with suppress(sqlite3.Error):
                self._database.execute("PRAGMA journal_mode=DELETE")  # a finished session is one file
            with suppress(sqlite3.Error):
                self._database.close()
            self._claim.release()

    def discard(self) -> None:
        """Close the store and remove its files, and the folder if it was made for them and holds nothing else."""
        self._forget()
        with suppress(sqlite3.Error):
            self._database.close()
        for suffix in _SIDE_FILES:
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        if self._made_folder and not any(self.path.parent.iterdir()):
            self.path.parent.rmdir()
        self._claim.release()

    def _forget(self) -> None:
        for rows in self._rows.values():
            rows.clear()

    def _failed(self, error: sqlite3.Error) -> OutputError:
        return OutputError(
            f"cannot write {self.path}: {error}",
            cause="the disk is full, or was unplugged or made read-only; what was committed before is kept",
            hint=f"df -h {self.path.parent}",
        )


@dataclass(frozen=True)
class Session:
    """A store, opened for reading.

    Attributes:
        folder: the session's folder.
        facts: what is true of the whole session.
    """

    folder: Path
    facts: Mapping[str, Any]

    @property
    def labels(self) -> tuple[str, ...]:
        """The bundle's labels, in the order of the probabilities."""
        return tuple(self.facts["labels"])

    def observations(self) -> Iterator[Observation]:
        """Every observation in the order it was made; raises InputError when the store is damaged."""
        for row in self._select("SELECT * FROM observations ORDER BY rowid"):
            frame, time_s, track, label, confidence, raw, probabilities, *rest = row
            values, box = tuple(json.loads(probabilities)), tuple(rest[:4])
            yield Observation(frame, time_s, track, label, confidence, raw, values, box, *rest[4:])

    def frames(self) -> Iterator[tuple[int, float, str]]:
        """Every frame, with a face or without: index, seconds, and the file's name where it is a picture."""
        if self.facts["schema"] == 1:
            yield from self._select("SELECT DISTINCT frame, time_s, '' FROM observations ORDER BY frame")
        else:
            yield from self._select("SELECT * FROM frames ORDER BY frame")

    def windows(self) -> Iterator[Window]:
        """Second by second what each face showed most, as published; none of pictures."""
        if self.facts["schema"] > 1:
            yield from (Window(*row) for row in self._select("SELECT * FROM windows ORDER BY rowid"))

    def markers(self) -> list[Marker]:
        """Everything that was marked, in the order of time."""
        return [Marker(*row) for row in self._beside("SELECT * FROM markers ORDER BY time_s, rowid")]

    def signals(self) -> dict[str, list[tuple[float, float]]]:
        """Name -> seconds and value of each sample, in the order of time."""
        found: dict[str, list[tuple[float, float]]] = {}
        for time_s, name, value in self._beside("SELECT * FROM signals ORDER BY time_s, rowid"):
            found.setdefault(name, []).append((time_s, value))
        return found

    def _beside(self, query: str) -> Iterator[tuple[Any, ...]]:
        """Rows of MARKER_TABLES; none in a session of before they were."""
        if any(self._select("SELECT 1 FROM sqlite_master WHERE name = 'markers'")):
            yield from self._select(query)

    @property
    def still(self) -> bool:
        """It is of pictures that do not follow each other in time."""
        return any(name for _, _, name in self.frames())

    def _select(self, query: str) -> Iterator[tuple[Any, ...]]:
        with closing(_connect(self.folder)) as database:
            try:
                yield from database.execute(query)
            except (sqlite3.Error, ValueError) as error:
                raise _unreadable(self.folder, str(error)) from error


def open_session(folder: Path) -> Session:
    """Open a session folder, or the store in it; raises InputError."""
    folder = folder.parent if folder.is_file() else folder
    if not store_path(folder).is_file():
        raise InputError(
            f"{folder} is not a session: there is no {store_path(folder).name} in it",
            cause="the path is wrong, or the run was made without --out",
            hint="fer-edge run --source FILE --out DIR",
        )
    with closing(_connect(folder)) as database:
        try:
            facts = {key: json.loads(value) for key, value in database.execute("SELECT key, value FROM session")}
        except (sqlite3.Error, ValueError) as error:
            raise _unreadable(folder, str(error)) from error
    if facts.get("schema") not in (1, 2, 3, SCHEMA) or "labels" not in facts:
        raise _unreadable(folder, "it was written by another version of fer-edge")
    return Session(folder, facts)


def _there_already(folder: Path) -> UsageError:
    return UsageError(
        f"{folder} already holds a session" if folder.is_dir() else f"{folder} is a file, not a folder",
        cause="sessions are never mixed",
        hint="choose another --out, or add --replace",
    )


def _connect(folder: Path) -> sqlite3.Connection:
    path = store_path(folder).resolve()
    try:
        # A store on a read-only medium cannot make the shared-memory file that WAL wants, and nobody writes it there.
        fixed = "" if os.access(path.parent, os.W_OK) else "&immutable=1"
        return sqlite3.connect(f"{path.as_uri()}?mode=ro{fixed}", uri=True)
    except sqlite3.Error as error:
        raise _unreadable(folder, str(error)) from error


def _unreadable(folder: Path, why: str) -> InputError:
    return InputError(
        f"the session in {folder} cannot be read: {why}",
        cause="the file was cut short or is no session",
        hint=f"sqlite3 {store_path(folder)} .recover",
    )
