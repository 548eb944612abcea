"""How long the rest of a training takes, from what its steps took so far."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from ..recipe import Recipe

SETTLED_STEPS, SETTLED_S = 20, 20.0
"""From so many steps, or from three in so many seconds, the first estimate is worth telling."""


class Pace:
    """Measures steps by their pixels: those of the first, small epochs cost less."""

    def __init__(self, recipe: Recipe, steps: int, clock: Callable[[], float] = monotonic) -> None:
        """Args: steps of an epoch; clock, in seconds."""
        self._pixels = [recipe.size_at(epoch) ** 2 for epoch in range(recipe.epochs)]
        self._steps, self._clock = steps, clock
        self._began: float | None = None
        self._worked, self._counted, self._told = 0.0, 0, False

    def step(self, epoch: int) -> None:
        """A step is done. The first starts the clock: it takes longer than any other, and is not counted."""
        if self._began is None:
            self._began = self._clock()
            return
        self._counted += 1
        self._worked += self._pixels[epoch]

    def first_estimate(self, epoch: int, step: int) -> float | None:
        """The seconds that are left, once, when they can be told; else None."""
        passed = 0.0 if self._began is None else self._clock() - self._began
        settled = self._counted >= SETTLED_STEPS or (self._counted >= 3 and passed >= SETTLED_S)
        if self._told or not settled:
            return None
        self._told = True
        return self.left_s(epoch, step)

    def left_s(self, epoch: int, step: int) -> float | None:
        """Seconds to the end of the last epoch, from `step` steps into an epoch (0 is the first) on; None: unknown."""
        if self._began is None or not self._worked:
            return None
        left = sum(self._pixels[epoch:]) * self._steps - step * (
            self._pixels[epoch] if epoch < len(self._pixels) else 0
        )
        return (self._clock() - self._began) / self._worked * left


def words(seconds: float | None) -> str:
    """`, about 1 h 32 min to go in all`, or an empty text where that is not known."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f", about {max(1, round(seconds))} s to go in all"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f", about {hours} h {minutes:02} min to go in all" if hours else f", about {minutes} min to go in all"
