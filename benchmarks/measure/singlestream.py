"""MLPerf's SingleStream: batch 1, the next query when the last one has completed.

Rules of the published benchmark: at least 1,024 queries and 60 seconds (MLPerf Mobile). Time comes from a monotonic
clock, so that setting the wall clock during a run changes nothing.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter_ns

MIN_WARM, MAX_WARM, WINDOW = 10, 200, 10
SETTLED = 0.02
"""Medians of two windows in a row that differ by less count as settled."""
TELL_NS = 200_000_000

Query = Callable[[int], object]
"""Runs the query of that number, counted from 0, to its end."""
Clock = Callable[[], int]
Watch = Callable[[int, float], None]
"""Told now and then how many queries are done, and seconds since the first."""


@dataclass(frozen=True)
class Rules:
    """How long to measure: until both the least queries and the least seconds are reached."""

    mode: str
    queries: int
    seconds: float


RULES = {
    "quick": Rules("quick", 200, 10.0),
    "default": Rules("default", 1024, 60.0),
    "strict": Rules("strict", 1024, 600.0),
}


@dataclass(frozen=True)
class Warmup:
    """Queries before the measurement, and whether their times had settled."""

    queries: int
    settled: bool


def warm_up(query: Query, clock: Clock = perf_counter_ns) -> Warmup:
    """Run queries until two windows of WINDOW differ by less than SETTLED, at least MIN_WARM, at most MAX_WARM."""
    done, before = 0, 0.0
    while done < MAX_WARM:
        times = []
        for _ in range(WINDOW):
            start = clock()
            query(done)
            times.append(clock() - start)
            done += 1
        now = statistics.median(times)
        if done > MIN_WARM and abs(now - before) < SETTLED * before:
            return Warmup(done, True)
        before = now
    return Warmup(done, False)


def measure(
    query: Query, rules: Rules, samples: list[int], clock: Clock = perf_counter_ns, watch: Watch | None = None
) -> None:
    """Append the latency of each query in nanoseconds, until the rules are satisfied.

    Whatever ends it early, an interrupt or a failing device, `samples` holds what was measured until then.
    """
    start = told = clock()
    end = start + int(rules.seconds * 1e9)
    while True:
        begin = clock()
        query(len(samples))
        now = clock()
        samples.append(now - begin)
        if now >= end and len(samples) >= rules.queries:
            return
        if watch is not None and now - told > TELL_NS:
            told = now
            watch(len(samples), (now - start) / 1e9)
