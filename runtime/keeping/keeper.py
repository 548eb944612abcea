"""The thread that removes what is older than the configuration and the sign say, at the start and once an hour."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from ...errors import FerEdgeError
from ...words import counted
from ..storage.clock import clock_synchronised
from .places import began_s, places_of, recordings_in, remember, remove_old

LOOK_S = 3600.0
"""Between two looks: as a kiosk runs for months, looking at the start alone would keep everything that it records."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class KeepDays:
    """Ages in days, 0 for any: of observations, as of what waits for the broker; of recordings, and their folder."""

    observations: float
    recordings: float
    folder: Path


class Keeper:
    """Looks after recordings and the broker's backlog; the history looks after itself, row by row (`retention.py`)."""

    def __init__(
        self,
        store: Path,
        days: Callable[[], KeepDays],
        *,
        spare: Callable[[], Sequence[Path]] = tuple,
        forget: Mapping[Path, Callable[[float], None]] = MappingProxyType({}),
        every_s: float = LOOK_S,
        clock: Callable[[], float] = time.time,
        clock_ok: Callable[[], bool] = clock_synchronised,
    ) -> None:
        """Begin, with a look at once.

        Args:
            store: the store's folder; days: as the configuration has them now.
            spare: the recordings that are being written.
            forget: file of what waits for a broker -> drops what is in it and older than a moment, seconds since 1970.
                Such files that are not among them were left by an earlier configuration, and go as a whole.
        """
        self._store, self._days, self._spare, self._forget = store, days, spare, forget
        self._every_s, self._clock, self._clock_ok = every_s, clock, clock_ok
        self._trouble, self._stopping = "", threading.Event()
        self._thread = threading.Thread(target=self._work, name="keeper", daemon=True)
        self._thread.start()

    def check(self) -> str:
        """What is older than it may be and cannot be removed, in a sentence, or nothing."""
        return self._trouble

    def close(self) -> None:
        """End the thread; calling it twice is harmless."""
        self._stopping.set()
        self._thread.join()

    def _work(self) -> None:
        while True:
            self._look()
            if self._stopping.wait(self._every_s):
                return

    def _look(self) -> None:
        days, now = self._days(), self._clock()
        try:
            self._remove_recordings(days, now)
            self._remove_backlog(days, now)
            self._trouble = ""
        except (FerEdgeError, OSError) as error:
            self._trouble = f"what is too old to be kept cannot be removed: {getattr(error, 'message', error)}"

    def _remove_recordings(self, days: KeepDays, now: float) -> None:
        if recordings_in(days.folder):
            remember(self._store, days.folder)
        spare = [folder.absolute() for folder in self._spare()]
        mine = [s for s in places_of(self._store, days.folder).recordings() if s not in spare]
        for session in mine:
            if self._clock_ok() and began_s(session) > now:  # by a clock that was wrong: its days count from now on
                os.utime(session, (now, now))
        if gone := remove_old(mine, days.recordings, now):
            log.warning("%s older than %g days removed", counted(len(gone), "recording"), days.recordings)

    def _remove_backlog(self, days: KeepDays, now: float) -> None:
        oldest_s = now - days.observations * 86400
        if not days.observations:
            return
        for forget in self._forget.values():
            forget(oldest_s)
        names = tuple(file.name for file in self._forget)
        for file in places_of(self._store).backlog():
            if not (names and file.name.startswith(names)) and file.stat().st_mtime < oldest_s:
                file.unlink()
