"""How long to wait before the next attempt: each time twice as long, up to a limit, and never quite the same."""

from __future__ import annotations

from collections.abc import Callable

FIRST_WAIT_S, MAX_WAIT_S = 0.5, 60.0
"""Of a device or source that is opened again."""
JITTER = 0.2
"""Share by which a wait is shortened or lengthened at random, so that many kiosks do not retry in step."""


class Backoff:
    """The waits between attempts at one thing."""

    def __init__(
        self,
        first_s: float = FIRST_WAIT_S,
        max_s: float = MAX_WAIT_S,
        jitter: float = JITTER,
        chance: Callable[[float, float], float] | None = None,
    ) -> None:
        self._first_s, self._max_s, self._jitter, self._chance = first_s, max_s, jitter, chance
        self._wait_s = first_s

    def next_s(self) -> float:
        """Seconds to wait now."""
        wait_s, self._wait_s = self._wait_s, min(2 * self._wait_s, self._max_s)
        import random  # not before it is needed: a start has 2 ms for better things

        return wait_s * (self._chance or random.uniform)(1 - self._jitter, 1 + self._jitter)

    def reset(self) -> None:
        """Begin again with the first wait."""
        self._wait_s = self._first_s
