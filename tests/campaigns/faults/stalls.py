"""How long the machine itself stood still: on a busy or virtual one, processes do not run for seconds."""

from __future__ import annotations

import threading
from time import monotonic, sleep

STEP_S, COUNTS_S = 0.05, 0.1


class Stalls:
    """A thread that sleeps a little again and again, and notes when it woke far too late."""

    def __init__(self) -> None:
        self._late: list[tuple[float, float]] = []
        threading.Thread(target=self._work, daemon=True).start()

    def since(self, at_s: float) -> float:
        """Seconds of standing still from then on."""
        return sum(late for when, late in self._late if when >= at_s)

    def _work(self) -> None:
        while True:
            before = monotonic()
            sleep(STEP_S)
            late = monotonic() - before - STEP_S
            if late > COUNTS_S:
                self._late.append((monotonic(), late))
