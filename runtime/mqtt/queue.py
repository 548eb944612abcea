"""Messages for the broker: in a small database, so that they outlive a restart, and bounded."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

TRY_AGAIN_S = 30.0
"""Between two attempts to leave memory for the disk again."""
_TABLE = "CREATE TABLE IF NOT EXISTS messages (number INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL)"
# NORMAL: a power cut may cost the newest seconds of an outage, a kill costs nothing, and a snapshot costs no sync.
_SETTINGS = """
PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 1048576; PRAGMA secure_delete = ON;
"""


class OfflineQueue:
    """First in, first out; the oldest are dropped when there are too many. Safe between threads; never raises.

    While the disk refuses, everything is kept in memory and `trouble` says so.
    """

    def __init__(self, path: Path, max_size: int, clock: Callable[[], float] = monotonic) -> None:
        self.path, self.max_size, self.dropped, self.trouble = path, max_size, 0, ""
        self._clock, self._next_try, self._lock = clock, 0.0, threading.RLock()
        self._database = _connect(None)
        self._in_memory = True
        self._to_disk(first=True)

    def put(self, text: str) -> int:
        """Take a message and give its number; numbers grow and are never used twice."""
        with self._lock:
            if self._in_memory and self._clock() >= self._next_try:
                self._to_disk()
            self._do("INSERT INTO messages (text) VALUES (?)", (text,))
            number = int(self._do("SELECT last_insert_rowid()", ())[0][0])
            over = len(self) - self.max_size
            if over > 0:
                oldest = "SELECT number FROM messages ORDER BY number LIMIT ?"
                self._do(f"DELETE FROM messages WHERE number IN ({oldest})", (over,))
                self.dropped += over
            return number

    def after(self, number: int) -> tuple[int, str] | None:
        """The first message with a greater number, and its number."""
        with self._lock:
            found = self._do("SELECT number, text FROM messages WHERE number > ? ORDER BY number LIMIT 1", (number,))
        return (found[0][0], found[0][1]) if found else None

    def remove(self, number: int) -> None:
        """Forget a message that was delivered."""
        with self._lock:
            self._do("DELETE FROM messages WHERE number = ?", (number,))

    def newest(self) -> tuple[int, str] | None:
        """The last message and its number."""
        with self._lock:
            found = self._do("SELECT number, text FROM messages ORDER BY number DESC LIMIT 1", ())
        return (found[0][0], found[0][1]) if found else None

    def drop_while(self, old: Callable[[str], bool]) -> None:
        """Drop messages from the oldest on, as long as they are too old."""
        with self._lock:
            while (message := self.after(0)) is not None and old(message[1]):
                self.remove(message[0])
                self.dropped += 1

    def __len__(self) -> int:
        with self._lock:
            return int(self._do("SELECT count(*) FROM messages", ())[0][0])

    def close(self) -> None:
        """Let go of the file; what it holds is sent after the next start."""
        with self._lock:
            self._database.close()
            self._database, self._in_memory, self._next_try = _connect(None), True, float("inf")

    def _do(self, words: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        try:
            return self._database.execute(words, values).fetchall()
        except sqlite3.Error as error:
            if self._in_memory:
                raise  # memory refuses nothing but a mistake of ours
            self._to_memory(error)
            return self._database.execute(words, values).fetchall()

    def _to_memory(self, error: sqlite3.Error) -> None:
        """Go on without the file, with all that can still be read from it."""
        fresh = _connect(None)
        try:
            _copy(self._database, fresh)
        except sqlite3.Error:
            self.dropped += 1  # at least; a file that cannot be read cannot be counted
        self._database.close()
        self._database, self._in_memory = fresh, True
        self._next_try = self._clock() + TRY_AGAIN_S
        self.trouble = f"messages for the broker are kept in memory only: {self.path}: {error}"

    def _to_disk(self, first: bool = False) -> None:
        """Go on with the file: at the start with what it holds, later with exactly what memory holds."""
        try:
            if not first:
                _remove(self.path)  # memory has more than it, and on a full disk its room is needed
            database = _opened(self.path)
            try:
                if not first:
                    _copy(self._database, database)
            except sqlite3.Error:
                database.close()
                raise
        except (sqlite3.Error, OSError) as error:
            self._next_try = self._clock() + TRY_AGAIN_S
            self.trouble = f"messages for the broker are kept in memory only: {self.path}: {error}"
            return
        self._database.close()
        self._database, self._in_memory, self.trouble = database, False, ""


def _opened(path: Path) -> sqlite3.Connection:
    """The file's database; a damaged file is removed, for it held nothing but aggregates on their way."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # SQLite would let everybody read it
    try:
        return _connect(path)
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:
            raise
        _remove(path)
        return _connect(path)


def _remove(path: Path) -> None:
    for side in ("", "-wal", "-shm"):
        path.with_name(path.name + side).unlink(missing_ok=True)


def _connect(path: Path | None) -> sqlite3.Connection:
    database = sqlite3.connect(path or ":memory:", timeout=1.0, isolation_level=None, check_same_thread=False)
    try:
        database.executescript(_SETTINGS)
        database.execute(_TABLE)
        database.execute("SELECT count(*) FROM messages").fetchone()
    except sqlite3.Error:
        database.close()
        raise
    return database


def _copy(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Give the messages and the numbering of one database to an empty one, in one transaction."""
    messages = source.execute("SELECT number, text FROM messages ORDER BY number").fetchall()
    last = source.execute("SELECT max(seq) FROM sqlite_sequence").fetchone()[0] or 0
    target.execute("BEGIN IMMEDIATE")
    try:
        target.execute("INSERT INTO sqlite_sequence VALUES ('messages', ?)", (last,))
        target.executemany("INSERT INTO messages VALUES (?, ?)", messages)
        target.execute("COMMIT")
    except sqlite3.Error:
        if target.in_transaction:
            target.execute("ROLLBACK")
        raise
