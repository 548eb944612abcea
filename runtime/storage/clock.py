"""The wall clock and how far it can be trusted: synchronised or not, and where it jumped."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

JUMP_S = 2.0
"""A wall clock that leaves the monotonic one by more has been set; NTP slews by half a millisecond a second."""
_UNSYNCHRONISED_US = 16_000_000
"""timedatectl's rule: maxerror of adjtimex(2) grows to this when nobody disciplines the clock."""


class _Timex(ctypes.Structure):
    """The head of `struct timex` of adjtimex(2), and room for the rest of it."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("rest", ctypes.c_char * 512),
    )


def clock_synchronised() -> bool:
    """Whether the kernel holds the wall clock for synchronised; False where it cannot tell. Needs no rights."""
    adjtimex = _adjtimex()
    seen = _Timex()
    return adjtimex is not None and adjtimex(ctypes.byref(seen)) >= 0 and seen.maxerror < _UNSYNCHRONISED_US


@cache
def _adjtimex() -> Callable[..., int] | None:
    """Looked up once: it makes classes that only the garbage collector removes, and this is asked at each frame."""
    return getattr(ctypes.CDLL(None), "adjtimex", None)


def boot_id() -> str:
    """What the kernel drew at random for this boot; empty where it does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def started_facts(at_s: float) -> dict[str, int]:
    """A session's beginning on both clocks, in milliseconds: since 1970, and on the monotonic one, at whose second
    `at_s` it began. Times of frames and markers count from there."""
    wall_s = time.time() - (time.monotonic() - at_s)
    return {"started_wall_ms": round(wall_s * 1000), "started_monotonic_ms": round(at_s * 1000)}


@dataclass(frozen=True)
class Stamp:
    """A moment.

    Attributes:
        wall_ms: milliseconds since 1970 by the wall clock.
        ok: the clock was synchronised.
        jump_ms: by how much the wall clock was set since the stamp before, mostly 0.
    """

    wall_ms: int
    ok: bool
    jump_ms: int = 0


class WallClock:
    """Stamps moments and notices when the wall clock is set."""

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        synchronised: Callable[[], bool] = clock_synchronised,
    ) -> None:
        self._wall, self.monotonic, self._synchronised = wall, monotonic, synchronised
        self._ahead: float | None = None

    def now(self) -> Stamp:
        """This moment, whatever came before; safe between threads."""
        return Stamp(round(self._wall() * 1000), self._synchronised())

    def stamp(self) -> Stamp:
        """This moment, and whether the clock was set since the last stamp; for one thread."""
        now = self.now()
        ahead = now.wall_ms / 1000 - self.monotonic()
        gone = ahead - self._ahead if self._ahead is not None else 0.0
        self._ahead = ahead
        return replace(now, jump_ms=round(gone * 1000)) if abs(gone) > JUMP_S else now
