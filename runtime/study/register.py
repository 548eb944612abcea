"""`study.db`: who is in the study, who consented to what, which sessions and exports there are."""

from __future__ import annotations

import shlex
import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import InputError, OutputError, UsageError
from ..storage.lock import Claim
from .folder import Study

APPLICATION, VERSION = 0x46455253, 1
"""`PRAGMA application_id`: FERS, and `PRAGMA user_version`."""
_TABLES = """
CREATE TABLE subjects (id TEXT PRIMARY KEY, code TEXT NOT NULL UNIQUE COLLATE NOCASE, added_ms INTEGER NOT NULL);
CREATE TABLE forms (sha256 TEXT PRIMARY KEY, version TEXT NOT NULL UNIQUE, name TEXT NOT NULL, content BLOB NOT NULL);
CREATE TABLE consents (
    subject TEXT NOT NULL REFERENCES subjects, form TEXT NOT NULL REFERENCES forms, given_ms INTEGER NOT NULL,
    witness TEXT NOT NULL, recorded_ms INTEGER NOT NULL
);
CREATE TABLE sessions (
    id TEXT PRIMARY KEY, folder TEXT NOT NULL UNIQUE, condition TEXT NOT NULL, note TEXT NOT NULL,
    began_ms INTEGER NOT NULL, ended_ms INTEGER
);
CREATE TABLE participants (
    session TEXT NOT NULL REFERENCES sessions, subject TEXT NOT NULL REFERENCES subjects, place INTEGER NOT NULL,
    PRIMARY KEY (session, subject)
);
CREATE TABLE exports (subject TEXT NOT NULL REFERENCES subjects, path TEXT NOT NULL, made_ms INTEGER NOT NULL);
"""
"""Ids are drawn at random: in the bytes of a file each is found for certain, which a code like P1 is not (withdraw.py).
In `participants` the place is the order in which the subjects were named."""


@dataclass(frozen=True)
class Subject:
    """Somebody in the study: a random id of 32 hex digits, and the code by which people know them."""

    id: str
    code: str


@dataclass(frozen=True)
class Consent:
    """Which text a subject consented to, when (ms since 1970), and who witnessed it."""

    form: str
    version: str
    given_ms: int
    witness: str


@dataclass(frozen=True)
class KeptSession:
    """A session of the study; its folder's name, and its times in ms since 1970, the end None while it goes on or where
    it was killed. `subjects` are codes in the order in which they were named."""

    id: str
    folder: str
    condition: str
    note: str
    began_ms: int
    ended_ms: int | None
    subjects: tuple[str, ...]


class Register:
    """Reads the database, and writes it where it was opened for that; raises InputError and OutputError throughout."""

    def __init__(self, study: Study, database: sqlite3.Connection) -> None:
        self.study, self._database = study, database

    def subjects(self) -> list[Subject]:
        """All, in the order in which they came."""
        return [Subject(*row) for row in self.rows("SELECT id, code FROM subjects ORDER BY added_ms, rowid")]

    def subject(self, code: str) -> Subject:
        """The one of that code; raises UsageError."""
        known = self.subjects()
        found = next((s for s in known if s.code == code), None)
        if found is None:
            there = ", ".join(s.code for s in known[:20]) or "nobody is in it yet"
            raise UsageError(
                f"the study {self.study.folder} has no subject {code}",
                cause=f"it has: {there}" if known else there,
                hint=f"fer-edge study consent {shlex.quote(str(self.study.folder))} {shlex.quote(code)} --witness NAME",
            )
        return found

    def consent(self, subject: Subject) -> Consent | None:
        """The newest of a subject."""
        query = (
            "SELECT form, version, given_ms, witness FROM consents JOIN forms ON form = sha256 WHERE subject = ? "
            "ORDER BY recorded_ms DESC, consents.rowid DESC"
        )
        rows = self.rows(query, subject.id)
        return Consent(*rows[0]) if rows else None

    def sessions(self, subject: Subject | None = None) -> list[KeptSession]:
        """All, or those in which a subject took part, the oldest first."""
        query = "SELECT id, folder, condition, note, began_ms, ended_ms FROM sessions ORDER BY began_ms, rowid"
        who: dict[str, list[str]] = {}
        for session, code in self.rows(
            "SELECT session, code FROM participants JOIN subjects ON subject = id ORDER BY session, place"
        ):
            who.setdefault(session, []).append(code)
        rows: Any = [(*row, tuple(who.get(row[0], ()))) for row in self.rows(query)]
        all_ = [KeptSession(*row) for row in rows]
        return [s for s in all_ if subject is None or subject.code in s.subjects]

    def add_subject(self, code: str) -> Subject:
        """A new one, whose code was checked."""
        made = Subject(uuid.uuid4().hex, code)
        self.write("INSERT INTO subjects VALUES (?, ?, ?)", made.id, code, now_ms())
        return made

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Everything that a query gives."""
        try:
            return self._database.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise _unreadable(self.study.database, error) from error

    def write(self, statement: str, *values: Any) -> None:
        """One statement, on the disk afterwards."""
        try:
            self._database.execute(statement, values)
        except sqlite3.Error as error:
            raise _unwritten(self.study.database, error) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of a block or nothing of it."""
        self.write("BEGIN IMMEDIATE")
        try:
            yield
            self.write("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.rollback()
            raise


@contextmanager
def reading(study: Study) -> Iterator[Register]:
    """The register for looking, also while a session is recorded; empty where nothing was kept yet."""
    if not study.database.is_file():
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
            database.executescript(_TABLES)
            yield Register(study, database)
        return
    try:
        database = sqlite3.connect(f"{study.database.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
    except sqlite3.Error as error:
        raise _unreadable(study.database, error) from error
    with closing(database):
        _check(study.database, database)
        yield Register(study, database)


@contextmanager
def writing(study: Study) -> Iterator[Register]:
    """The register for changing it, by one program at a time; raises UsageError while another has the study."""
    claim = Claim(study.folder, "a session of it is recorded now", "wait until it has ended")
    try:
        database = open_database(study.database)
        with closing(database):
            yield Register(study, database)
    finally:
        claim.release()


def open_database(path: Path) -> sqlite3.Connection:
    """Open it for writing, made when missing, autocommitting; raises InputError, OutputError."""
    database = None
    try:
        path.touch(mode=0o600)
        database = sqlite3.connect(path, isolation_level=None)
        database.executescript("PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = ON;")
        if not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            stamp = f"PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION};"
            database.executescript(f"BEGIN; {_TABLES} {stamp} COMMIT;")
        _check(path, database)
        return database
    except (sqlite3.Error, OSError, InputError) as error:
        if database is not None:
            database.close()
        if isinstance(error, InputError):
            raise
        raise (_unreadable if type(error) is sqlite3.DatabaseError else _unwritten)(path, error) from error


def now_ms() -> int:
    """Milliseconds since 1970."""
    return round(time.time() * 1000)


def _check(path: Path, database: sqlite3.Connection) -> None:
    """Raise InputError for a file of another program or version."""
    try:
        application, version = (
            database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
        )
    except sqlite3.Error as error:
        raise _unreadable(path, error) from error
    if (application, version) != (APPLICATION, VERSION):
        raise _unreadable(path, "it is of another program, or of another version of fer-edge")


def _unreadable(path: Path, why: object) -> InputError:
    return InputError(
        f"{path} cannot be read: {why}",
        cause="the file was cut short or is no study's",
        hint=f"sqlite3 {shlex.quote(str(path))} .recover",
    )


def _unwritten(path: Path, why: object) -> OutputError:
    return OutputError(
        f"cannot write {path}: {why}",
        cause="the disk is full or read-only; what was written before is kept",
        hint=f"df -h {shlex.quote(str(path.parent))}",
    )
