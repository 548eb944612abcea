"""How long to wait: before the next attempt, and for a frame's time to come."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from time import monotonic

from ..inference.supervisor import FIRST_WAIT_S, JITTER, LONGEST_WAIT_S


class Backoff:
    """How long to wait before the next attempt: each time twice as long, up to a limit, and never quite the same."""

    def __init__(
        self,
        first_s: float = FIRST_WAIT_S,
        longest_s: float = LONGEST_WAIT_S,
        chance: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._first_s, self._longest_s, self._chance, self._wait_s = first_s, longest_s, chance, first_s

    def next_s(self) -> float:
        """Seconds to wait now."""
        wait, self._wait_s = self._wait_s, min(2 * self._wait_s, self._longest_s)
        return wait * self._chance(1 - JITTER, 1 + JITTER)

    def reset(self) -> None:
        """Begin again with the shortest wait."""
        self._wait_s = self._first_s


class Pacer:
    """Shows a file's frames when their time has come."""

    def __init__(self, stop: threading.Event, clock: Callable[[], float] = monotonic) -> None:
        """Begin; `stop` ends every wait, `clock` gives seconds."""
        self._stop, self._clock, self._zero_s = stop, clock, 0.0
        self._begun = False

    def wait(self, time_s: float) -> None:
        """Wait until the second `time_s` of the file; a reader that is too slow for it is not hurried."""
        now = self._clock()
        if not self._begun or now > self._zero_s + time_s:
            self._begun, self._zero_s = True, now - time_s
        self._stop.wait(self._zero_s + time_s - now)
