"""One round of a fault: from a kiosk that is well, through the fault, to one that is well again, and what that cost."""

from __future__ import annotations

import random
import sqlite3
import threading
from dataclasses import dataclass
from time import monotonic, sleep

from fer_edge.runtime.sources.capture import STEADY_S

from . import ledger
from .bench import Bench
from .fault import Fault, Over

LIMIT_S = 60.0
"""A kiosk that is not well so long after a fault does not come back by itself."""
ROWS = 5
"""Observations that must follow, so that the gap has an end."""
STEP_S, COUNTS_S = 0.05, 0.1
"""How long a thread sleeps to measure whether the machine stands still, and what it may oversleep."""


@dataclass(frozen=True)
class Outcome:
    """What a round gave.

    Attributes:
        broken: what was not as it should be besides the gap, in a sentence; empty when all was.
        recovery_s: from the fault's end to ok; gap_s: the longest time without observations.
        allowed_s: the documented gap, and what the machine itself stood still meanwhile.
        lost: acknowledged observations and queued snapshots that are not there.
    """

    fault: str
    broken: str
    recovery_s: float = 0.0
    gap_s: float = 0.0
    allowed_s: float = 0.0
    lost: int = 0

    @property
    def wrong(self) -> str:
        """Everything that was not as it should be; empty for a round that passed."""
        late = f"{self.gap_s:.1f} s without observations, {self.allowed_s:.1f} s are allowed; "
        return (late if self.gap_s > self.allowed_s else "") + self.broken


class Stalls:
    """Notes for how long the machine itself stood still: busy or virtual ones do not run a process for seconds."""

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


def one_round(bench: Bench, fault: Fault, chance: random.Random, stalls: Stalls) -> Outcome:
    """Do it once; never raises for what the kiosk does."""
    try:
        settle(bench, fault)
        sleep(chance.uniform(0.0, 1.0))  # at any moment between two commits
        before = ledger.place(bench.store)
        known = bench.acknowledged()
        begun = monotonic()
        over = fault.act(bench, chance)
        recovery_s = recovered(bench, fault, begun, over)
        bench.flows(ROWS, LIMIT_S)
        lost = max(0, known - ledger.rows_of(bench.store, before.run)) + len(bench.missing())
        gap_s = ledger.longest_gap_s(bench.store, over.since or before.seq)
        allowed_s = fault.gap_s + stalls.since(begun)
        broken = ledger.damage(bench.store)
    except (AssertionError, sqlite3.Error, OSError, KeyError) as error:
        return Outcome(fault.name, f"{error}" or type(error).__name__)
    finally:
        if fault.camera:
            bench.camera_lost_s = monotonic()
    broken = f"{lost} lost; {broken}" if lost else broken
    return Outcome(fault.name, broken, recovery_s, gap_s, allowed_s, lost)


def settle(bench: Bench, fault: Fault) -> None:
    """Wait until all is well, and, where waits grow with each loss, until they have begun anew."""
    bench.flows(ROWS, LIMIT_S)
    if fault.camera:
        sleep(max(0.0, bench.camera_lost_s + STEADY_S + 1 - monotonic()))


def recovered(bench: Bench, fault: Fault, begun: float, over: Over) -> float:
    """Seconds from the end of the fault until the kiosk said ok; 0 when it never said anything else, or said it before.

    Raises AssertionError when it did not notice what it should notice, or does not come back.
    """
    if fault.told:
        bench.until(lambda: _left(bench, begun) is not None, "the kiosk never said that something is wrong", LIMIT_S)
    bench.until(lambda: bench.supervisor.condition == "ok", "the kiosk did not come back to ok", LIMIT_S)
    ok = [e.at_s for e in bench.supervisor.since(begun, "status") if e.text.startswith("ok")]
    return max(0.0, ok[-1] - over.at_s) if ok else 0.0


def _left(bench: Bench, begun: float) -> float | None:
    """When it stopped to be ok."""
    told = [*bench.supervisor.since(begun, "status"), *bench.supervisor.since(begun, "exit")]
    return next((e.at_s for e in told if e.kind == "exit" or not e.text.startswith("ok")), None)
