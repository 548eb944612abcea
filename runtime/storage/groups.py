"""Aggregates of a kiosk's history over stretches of time, from moments when enough faces were there at once.

Each camera by itself: one person before each of three cameras is nowhere a group."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby

from ...bundle import LABELS
from ..vision.quality_gate import UNSUITABLE
from .query import FOREVER, HistoryRow, rows

HOUR_MS = 3_600_000


class Stretches:
    """One after the other, from a first moment on; those at the ends of a span are cut there.

    Longer than an hour they keep to this machine's local time: a day goes from midnight to midnight, and has 23 or 25
    hours when the clock is put forward or back.
    """

    def __init__(self, minutes: float, span: tuple[int, int], first_ms: int) -> None:
        """Begin at span[0] or, where that is open, at the local midnight before a moment of the data."""
        self._length, self._span = round(minutes * 60_000), span
        start = datetime.fromtimestamp((span[0] if span[0] != FOREVER[0] else first_ms) / 1000)
        self._origin = start if span[0] != FOREVER[0] else start.replace(hour=0, minute=0, second=0, microsecond=0)
        self._origin_ms = round(self._origin.timestamp() * 1000)
        self._now = (0, 0)

    def of(self, wall_ms: int) -> tuple[int, int]:
        """Begin and end of the stretch that a moment of the span is in, milliseconds since 1970."""
        if not self._now[0] <= wall_ms < self._now[1]:
            place = self._guess(wall_ms)
            while self._edge(place) > wall_ms:
                place -= 1
            while self._edge(place + 1) <= wall_ms:
                place += 1
            self._now = self._edge(place), min(self._edge(place + 1), self._span[1])
        return self._now

    def _guess(self, wall_ms: int) -> int:
        """Right but for an hour's change between."""
        return (wall_ms - self._origin_ms) // self._length

    def _edge(self, place: int) -> int:
        if self._length <= HOUR_MS:
            return self._origin_ms + place * self._length
        return round((self._origin + timedelta(milliseconds=place * self._length)).timestamp() * 1000)


@dataclass(frozen=True)
class Group:
    """What one camera saw in one stretch of time, in its moments with enough faces.

    Attributes:
        from_ms, to_ms: begin and end, wall clock; clock_ok: the clock was synchronised.
        camera: its name; empty where there was no other.
        faces: different tracks; observations: rows.
        shares: label -> share of the observations, summing to 1.
    """

    from_ms: int
    to_ms: int
    camera: str
    clock_ok: bool
    faces: int
    observations: int
    shares: dict[str, float]


@dataclass
class _Counts:
    tracks: set[tuple[int, int]] = field(default_factory=set)
    labels: Counter[str] = field(default_factory=Counter)


def groups(
    database: sqlite3.Connection, minutes: float, least: int, span: tuple[int, int] = FOREVER
) -> tuple[list[Group], int]:
    """Aggregates over stretches of time, in their order, and how many stretches were withheld.

    Args:
        minutes: length of a stretch, see `Stretches`.
        least: moments with fewer faces at once do not count; a stretch without any other is withheld. One person who
            comes three times has three tracks, but is never three at once. From 2 on, faces that were not read do not
            count towards it.
    """
    found: defaultdict[tuple[int, int, str, bool], _Counts] = defaultdict(_Counts)
    stretches = Stretches(minutes, span, _first_ms(database, span))
    for moment in _moments(database, span):
        begin, end = stretches.of(moment[0].wall_ms)
        counts = found[begin, end, moment[0].camera, moment[0].clock_ok]
        if len({row.track for row in moment if least == 1 or row.label != UNSUITABLE}) >= least:
            counts.tracks.update((row.run, row.track) for row in moment)
            counts.labels.update(row.label for row in moment)
    kept = [_group(key, counts) for key, counts in sorted(found.items(), key=lambda item: item[0]) if counts.labels]
    return kept, len(found) - len(kept)


def _moments(database: sqlite3.Connection, span: tuple[int, int]) -> Iterator[list[HistoryRow]]:
    """The rows of each frame: they were written together, with one stamp; another camera's may have the same."""
    for _, moment in groupby(rows(database, span), key=lambda row: (row.run, row.camera, row.wall_ms)):
        yield list(moment)


def _first_ms(database: sqlite3.Connection, span: tuple[int, int]) -> int:
    """The first stamp of the span, of a synchronised clock where there is one."""
    words = (
        "SELECT wall_ms FROM observations WHERE wall_ms >= ? AND wall_ms < ? ORDER BY clock_ok DESC, wall_ms LIMIT 1"
    )
    first = database.execute(words, span).fetchone()
    return int(first[0]) if first else 0


def _group(key: tuple[int, int, str, bool], counts: _Counts) -> Group:
    total = counts.labels.total()
    shares = {label: count / total for label, count in counts.labels.items()}
    return Group(*key, len(counts.tracks), total, shares)


def labels_of(groups: list[Group]) -> list[str]:
    """Every label that occurs, the usual ones first and in the usual order."""
    found = {label for group in groups for label in group.shares}
    return [*(label for label in LABELS if label in found), *sorted(found - set(LABELS))]
