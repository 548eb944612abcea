"""A ratio over interleaved rounds: timings are noisy, and a single figure hides it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter_ns


@dataclass(frozen=True)
class Spread:
    """A value over rounds: median, least, most."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of some values."""
        return cls(statistics.median(values), min(values), max(values))

    def told(self, form: str = ".2f") -> str:
        """`median (least to most)`."""
        return f"{self.median:{form}} ({self.least:{form}} to {self.most:{form}})"


def medians_in_turn(ways: Mapping[str, Callable[[int], object]], rounds: int, calls: int) -> dict[str, list[float]]:
    """Median milliseconds of a call in each round, the ways taking turns, their order turned round every time.

    Args:
        ways: what runs the call of that number.

    A first round warms up and is not counted.
    """
    medians: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name in list(ways)[:: 1 if number % 2 else -1]:
            times = []
            for call in range(calls):
                start = perf_counter_ns()
                ways[name](call)
                times.append(perf_counter_ns() - start)
            if number:
                medians[name].append(statistics.median(times) / 1e6)
    return medians


def ratios(slow: Sequence[float], fast: Sequence[float]) -> Spread:
    """How many times as fast, round by round."""
    return Spread.of([a / b for a, b in zip(slow, fast, strict=True)])
