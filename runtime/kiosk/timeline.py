"""The last ten minutes for the page, read from the store: what the live figures told, nothing that they withheld."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from time import time

from ...errors import InputError
from ..status.snapshot import Aggregate
from ..storage.query import reading
from ..types import Observation

STEP_S, STEPS = 5, 120
"""Seconds of a column, and columns: those of the page."""
_ROWS = """
SELECT wall_ms, run, track, label FROM observations
WHERE clock_ok = (SELECT clock_ok FROM observations ORDER BY seq DESC LIMIT 1) AND wall_ms > ? AND wall_ms <= ?
AND camera = ?
ORDER BY wall_ms, seq
"""
"""Of the clock as it is now: what was written before it was set would stand in the wrong place."""


class Timeline:
    """Reads one camera's rows in a kiosk's store at most once a step, however many pages are opened."""

    def __init__(
        self, folder: Path, least_group: Callable[[], int], clock: Callable[[], float] = time, camera: str = ""
    ) -> None:
        """Prepare; `least_group` as the configuration has it now, `clock` in seconds since 1970."""
        self._folder, self._least_group, self._clock, self._camera = folder, least_group, clock, camera
        self._lock, self._read = threading.Lock(), (0, -1)
        self._columns: Mapping[int, Mapping[str, float]] = {}

    def columns(self) -> Mapping[int, Mapping[str, float]]:
        """Steps ago -> label -> share, of moments with enough faces; other steps are not in it. From any thread."""
        now_ms, least = round(1000 * self._clock()), self._least_group()
        with self._lock:
            if self._read != (wanted := (least, now_ms // (1000 * STEP_S))):
                self._columns, self._read = self._of_store(now_ms, least), wanted
            return self._columns

    def _of_store(self, now_ms: int, least: int) -> Mapping[int, Mapping[str, float]]:
        sums: defaultdict[int, Counter[str]] = defaultdict(Counter)
        try:
            for wall_ms, shares in self._moments(now_ms, least):
                sums[(now_ms - wall_ms) // (1000 * STEP_S)].update(shares)
        except InputError:  # there is none yet; that it cannot be written is said elsewhere
            return {}
        return {ago: {label: share / column.total() for label, share in column.items()} for ago, column in sums.items()}

    def _moments(self, now_ms: int, least: int) -> Iterator[tuple[int, Mapping[str, float]]]:
        """Stamps and shares of all moments that are told, by the rule for the live ones."""
        aggregate, last_run = Aggregate(least), 0
        with reading(self._folder) as database:
            rows = database.execute(_ROWS, (now_ms - 1000 * STEP_S * STEPS, now_ms, self._camera))
            for (wall_ms, run), seen in groupby(rows, lambda row: row[:2]):
                if run != last_run:  # tracks are counted anew
                    aggregate.clear()
                    last_run = run
                aggregate.update(wall_ms / 1000, [_observed(track, label) for _, _, track, label in seen])
                if shares := aggregate.shares():
                    yield wall_ms, shares


def _observed(track: int, label: str) -> Observation:
    return Observation(0, 0.0, track, label, 0.0, label, (), (0.0, 0.0, 0.0, 0.0))
