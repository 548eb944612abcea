"""Stretches of time of one length, for figures a quarter of an hour, a day or a week."""

from __future__ import annotations

from datetime import datetime, timedelta

from .query import FOREVER

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
