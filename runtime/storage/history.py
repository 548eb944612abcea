"""The kiosk's history: takes observations at once and writes them to disk once a second, in a thread of its own."""

from __future__ import annotations

import os
import sqlite3
import struct
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError, OutputError, UsageError
from ...words import counted
from ..backoff import Backoff
from ..types import Frame, Observation
from . import kiosk_path
from .batch import Event, Waiting, begin_run, write_batch, write_limits
from .clock import WallClock
from .lock import Claim
from .retention import RetentionLimits, drop_set_aside, retain
from .schema import close_store, damaged, open_store, require_writable, transaction

MAX_WAIT_S = 5.0
"""Between two attempts while the disk refuses."""
RETAIN_S = 60.0
"""Between two looks at age and size when there was nothing to remove."""


@dataclass(frozen=True)
class HistoryState:
    """How the history is.

    Attributes:
        trouble: why nothing can be written at present, in a sentence; empty when all is well.
        run: number of this run in the store, 0 before the first commit.
        acknowledged, waiting, dropped: observations of this run that are on disk, and stay there when power fails; in
            memory; and lost because neither had room.
        set_aside: name of the damaged file that this run found, empty when it found none.
    """

    trouble: str
    run: int
    acknowledged: int
    waiting: int
    dropped: int
    set_aside: str


class History:
    """A pipeline's sink whose `write` never raises and never waits for the disk.

    What cannot be written waits in memory, up to `batch.MAX_WAITING` observations; then the oldest are dropped.
    """

    def __init__(
        self,
        folder: Path,
        limits: RetentionLimits | None = None,
        commit_s: float = 1.0,
        labels: Sequence[str] = (),
        keep_probabilities: bool = False,
        clock: WallClock | None = None,
        start: bool = True,
    ) -> None:
        """Take the folder and begin to write; a folder that cannot be written now is tried again and again.

        Args:
            folder: of this store alone; made when missing, for its owner only.
            limits: how much and how long; may be replaced at any time (attribute `limits`).
            commit_s: seconds between commits: at most this much is lost when power fails.
            labels: the bundle's labels, the order of the probabilities.
            keep_probabilities: keep them beside the label.
            start: start the thread; without it `commit` has to be called.

        Raises:
            UsageError: another process has the folder.
        """
        self.path, self.limits = kiosk_path(folder), limits or RetentionLimits()
        self._labels, self._keep = tuple(labels), keep_probabilities
        self._clock = clock or WallClock()
        self._waiting, self._disk, self._stopping = Waiting(), threading.Lock(), threading.Event()
        self._claim: Claim | None = None
        self._written_limits: RetentionLimits | None = None
        self._database: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._suspect, self._trouble, self._set_aside = True, "", ""
        self._run = self._acknowledged = 0
        self._backoff = Backoff(commit_s, max(MAX_WAIT_S, commit_s), jitter=0.0)
        self._next_look = 0.0
        with suppress(OutputError):
            self._claim = Claim(folder)
        self._thread = threading.Thread(target=self._work, name="store", daemon=True) if start else None
        if self._thread is not None:
            self._thread.start()

    def of(self, camera: str) -> HistorySink:
        """The sink of one camera."""
        return HistorySink(self, camera)

    def write(self, frame: Frame, observations: Sequence[Observation], camera: str = "") -> None:
        """Take a frame's observations, stamped now; they are on disk `commit_s` later. Never raises."""
        now = self._clock.stamp()
        if now.jump_ms:
            self._waiting.add_event(Event(now.wall_ms, "clock", now.jump_ms, "the wall clock was set"))
        for o in observations:
            row = struct.pack(f"<{len(o.probabilities)}f", *o.probabilities) if self._keep and o.probabilities else None
            self._waiting.add((now.wall_ms, o.label, int(now.ok), o.track, round(o.confidence, 4), row, camera))

    def state(self) -> HistoryState:
        """How it is, without waiting for the disk."""
        waiting, dropped = self._waiting.counts()
        return HistoryState(self._trouble, self._run, self._acknowledged, waiting, dropped, self._set_aside)

    def check(self) -> str:
        """Why nothing can be written at present, in a sentence, or nothing."""
        return self._trouble

    def commit(self) -> bool:
        """Write what waits in one transaction; False when it could not be, and then `state().trouble` says why."""
        with self._disk:
            batch = self._waiting.take()
            try:
                database = self._open()
                if batch.rows or batch.events or not self._run or self._written_limits != self.limits:
                    limits = self.limits
                    with transaction(database):
                        run = self._run or begin_run(database, self._clock.now(), self._labels, self._set_aside)
                        write_batch(database, run, batch)
                        write_limits(database, limits)
                    self._run, self._written_limits = run, limits
            except (sqlite3.Error, OSError, InputError, UsageError) as error:
                self._waiting.put_back(batch)
                self._failed(error)
                return False
            self._acknowledged += len(batch.rows)
            self._trouble = ""
            self._backoff.reset()
            return True

    def retain(self) -> bool:
        """Remove a batch of what is too old or does not fit; True when there is more to do. Never raises."""
        with self._disk:
            try:
                database = self._open()
                drop_set_aside(self.path.parent, self.limits)
                return retain(database, self.limits, self._clock.now())
            except (sqlite3.Error, OSError, InputError, UsageError) as error:
                self._failed(error)
                return False

    def close(self) -> None:
        """Write what waits and close; raises OutputError when the last observations cannot be written."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        done = self.commit()
        with self._disk:
            if self._database is not None:
                with suppress(sqlite3.Error):
                    close_store(self._database)
            if self._claim is not None:
                self._claim.release()
            self._database = self._claim = None
        if not done:
            raise OutputError(
                f"{counted(self._waiting.counts()[0], 'observation')} could not be written: {self._trouble}",
                cause="what was written before is kept",
                hint=f"df -h {self.path.parent}",
            )

    def _work(self) -> None:
        while not self._stopping.wait(self._backoff.next_s()):
            now = self._clock.monotonic()
            if self.commit() and now >= self._next_look:
                self._next_look = now if self.retain() else now + RETAIN_S

    def _open(self) -> sqlite3.Connection:
        """The open database; opened anew when the file is not the one it was: removed, or its disk unplugged."""
        if self._database is not None and self._file != _identity(self.path):
            self._let_go()
        if self._database is not None:
            require_writable(self.path)
        if self._database is None:
            if self._claim is not None and not self._claim.holds(self.path.parent):
                self._claim.release()
                self._claim = None
            self._claim = self._claim or Claim(self.path.parent)
            self._database, name = open_store(self.path, check=self._suspect)
            self._set_aside, self._suspect = name or self._set_aside, False
            before, self._file = self._file, _identity(self.path)
            self._run = self._run if before == self._file else 0
        return self._database

    def _failed(self, error: Exception) -> None:
        """Say why, and let go of a file that may be damaged or gone."""
        text = error.message if isinstance(error, (OutputError, InputError, UsageError)) else str(error)
        self._trouble = text if str(self.path.parent) in text else f"cannot write {self.path}: {text}"
        if isinstance(error, sqlite3.Error) and "full" not in str(error):  # on a full disk the file is as it was
            self._suspect = damaged(error)
            self._let_go()

    def _let_go(self) -> None:
        if self._database is not None:
            with suppress(sqlite3.Error):
                self._database.close()
        self._database = None


@dataclass(frozen=True)
class HistorySink:
    """One camera's way into the history, which whoever opened the history closes."""

    history: History
    camera: str

    def write(self, frame: Frame, observations: Sequence[Observation]) -> None:
        """As `History.write`."""
        self.history.write(frame, observations, self.camera)

    def close(self) -> None:
        """Nothing: other cameras may write on."""


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        seen = os.stat(path)
    except OSError:
        return None
    return seen.st_dev, seen.st_ino
