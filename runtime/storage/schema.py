"""The store's tables, opening them, their versions, and what happens to a damaged file."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ...errors import InputError

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


_CAMERA = "ALTER TABLE observations ADD COLUMN camera TEXT NOT NULL DEFAULT ''"


def _to_third(database: sqlite3.Connection) -> None:
    """Version 2 knew one camera."""
    database.execute(_CAMERA)


MIGRATIONS: Mapping[int, Callable[[sqlite3.Connection], None]] = {1: _to_second, 2: _to_third}
"""Version -> what makes the next one of it."""


APPLICATION = 0x46455245
"""`PRAGMA application_id`: FERE."""
VERSION = 3
"""`PRAGMA user_version`."""
SIDES = ("", "-wal", "-shm", "-journal")
"""What SQLite appends to the name for the files that belong together."""
BEFORE_UPDATE = ".before-update"
"""What `devices/update/store.py` and packaging/settle.sh append for the copy that is there while an update is tried."""

TABLES = f"""
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE runs (
    run INTEGER PRIMARY KEY AUTOINCREMENT, boot TEXT NOT NULL, began_ms INTEGER NOT NULL, labels TEXT NOT NULL
);
CREATE TABLE observations (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, wall_ms INTEGER NOT NULL, label TEXT NOT NULL, clock_ok INTEGER NOT NULL,
    run INTEGER NOT NULL, track INTEGER NOT NULL, confidence REAL NOT NULL, probabilities BLOB
);
CREATE INDEX observations_by_time ON observations (clock_ok, wall_ms);
CREATE TABLE events (
    event INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL, wall_ms INTEGER NOT NULL, kind TEXT NOT NULL,
    amount INTEGER NOT NULL, note TEXT NOT NULL
);
{_CAMERA};
"""
"""seq never runs backwards and is never used twice (AUTOINCREMENT), whatever the wall clock does.

wall_ms and label stand side by side, so that in the file a row is recognised by its bytes (wipe.py). Faces of one
moment are those of one camera: `track` counts from 1 for each.
"""

_SETTINGS = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA journal_size_limit = 4194304;
PRAGMA secure_delete = ON;
PRAGMA temp_store = MEMORY;
PRAGMA cache_size = -256;
"""
"""In WAL mode NORMAL and FULL both keep the file whole when power fails, because a checkpoint syncs the log before it
touches the database. But with NORMAL nothing is synced between two checkpoints, and what was committed since the last
may be gone (sqlite.org/pragma.html#pragma_synchronous). FULL syncs the log at each commit: one sync a second here, and
the promise of one second holds.

The cache, in KiB: a commit touches a few pages, and the 2 MB that SQLite takes otherwise look like a leak for days."""


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """All of a block or none of it."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def open_store(path: Path, check: bool = True) -> tuple[sqlite3.Connection, str]:
    """Open a store for writing, made when missing, brought to today's version, checked after an unclean end.

    Args:
        check: look for damage when the writer before did not close it.

    Returns:
        The connection, autocommitting, and the name under which a damaged file was set aside, or an empty string.

    Raises:
        InputError: the file is not ours or is from the future; sqlite3.Error, OSError: it cannot be opened now.
    """
    try:
        return _open(path, check), ""
    except sqlite3.DatabaseError as error:
        if not damaged(error):
            raise
        name = set_aside(path)
        return _open(path, check=False), name


def damaged(error: sqlite3.Error) -> bool:
    """Whether SQLite says that the file is corrupt or no database; full disks and the like are OperationalError."""
    return type(error) is sqlite3.DatabaseError


def set_aside(path: Path) -> str:
    """Rename a damaged store with its side files and return its new name; the one set aside before it is removed."""
    taken = [int(p.stem.rpartition("-")[2]) for p in set_aside_files(path.parent) if p.suffix == ".db"]
    for old in set_aside_files(path.parent):
        old.unlink()
    name = f"kiosk.damaged-{max(taken, default=0) + 1}.db"
    for side in SIDES:
        if (old := path.with_name(path.name + side)).exists():
            os.replace(old, path.with_name(name + side))
    return name


def set_aside_files(folder: Path) -> list[Path]:
    """Files of damaged stores in a folder."""
    return sorted(folder.glob("kiosk.damaged-*.db*"))


def _open(path: Path, check: bool) -> sqlite3.Connection:
    if not path.exists():  # closing a descriptor of an open database would drop SQLite's locks on it (fcntl(2))
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # SQLite would let everybody read it
    database = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
    try:
        _bring_up(database, path)
        found = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not {"about", "runs", "observations", "events"} <= found:
            raise sqlite3.DatabaseError("tables are missing")
        if check and database.execute("SELECT 1 FROM about WHERE key = 'open'").fetchone():
            (said,) = database.execute("PRAGMA integrity_check(1)").fetchone()
            if said != "ok":
                raise sqlite3.DatabaseError(said)
        database.execute("INSERT OR REPLACE INTO about VALUES ('open', '1')")
    except BaseException:
        database.close()
        raise
    return database


def left_files(folder: Path) -> list[Path]:
    """Whatever else holds rows: damaged stores, and the copy of an update that was not ended."""
    return [*set_aside_files(folder), *folder.glob(f"*{BEFORE_UPDATE}")]


def require_writable(path: Path) -> None:
    """Raises OSError when the files of an open store may no longer be written.

    SQLite maps the `-shm` file into memory, and a write to a mapped file that the kernel writes no longer ends the
    process with SIGBUS. So this is asked before each transaction, by name: a descriptor would cost SQLite its locks.
    """
    for side in ("", "-wal", "-shm"):
        file = path.with_name(path.name + side)
        if file.exists() and not os.access(file, os.W_OK):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(file))


def close_store(database: sqlite3.Connection) -> None:
    """Close after writing down that all is well; raises sqlite3.Error."""
    try:
        database.execute("DELETE FROM about WHERE key = 'open'")
    finally:
        database.close()


def version_of(database: sqlite3.Connection, path: Path) -> int:
    """The schema version, 0 for an empty file; raises InputError when the file is not ours or is from the future."""
    ours = database.execute("PRAGMA application_id").fetchone()[0] == APPLICATION
    version: int = database.execute("PRAGMA user_version").fetchone()[0]
    if ours and version <= VERSION:
        return version
    if not ours and not database.execute("SELECT 1 FROM sqlite_master").fetchone():
        return 0
    raise InputError(
        f"{path} was written by a newer fer-edge" if ours else f"{path} is not a kiosk's store",
        cause="fer-edge was set back to an older version" if ours else "another program made it",
        hint="use the fer-edge that wrote it, or a newer one" if ours else "set [store] folder to a folder of its own",
    )


def _bring_up(database: sqlite3.Connection, path: Path) -> None:
    version = version_of(database, path)
    if version == 0:
        database.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before the first table, or it costs a VACUUM
    database.executescript(_SETTINGS)
    if version == 0:
        with transaction(database):
            for statement in TABLES.split(";")[:-1]:
                database.execute(statement)
            database.execute(f"PRAGMA application_id = {APPLICATION}")
            database.execute(f"PRAGMA user_version = {VERSION}")
    for step in range(max(version, 1), VERSION if version else 0):
        with transaction(database):
            MIGRATIONS[step](database)
            database.execute(f"PRAGMA user_version = {step + 1}")
    if database.execute("PRAGMA auto_vacuum").fetchone()[0] != 2:
        database.execute("PRAGMA auto_vacuum = INCREMENTAL")
        database.execute("VACUUM")
