"""Every fault, so many rounds of each, in two lanes so that one kiosk works while the other waits; and the table."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any

from . import of_processes, of_surroundings
from .bench import Bench
from .fault import Fault
from .rounds import Outcome, Stalls, one_round

FIRST = (
    "camera gone for 5 s",
    "broker down 10 s",
    "camera hang",
    "worker hang",
    "camera resolution change",
    "accelerator absent at start, back later",
)
"""The first lane: here a camera's steady time passes while other things happen. The second has everything else."""
COLUMNS = ("fault", "rounds", "passed", "recovery p50", "max", "gap max", "documented", "lost")
Say = Callable[[str], None]


def all_faults() -> tuple[Fault, ...]:
    """In the order of the table."""
    return (*of_surroundings.FAULTS, *of_processes.faults())


def lanes_of(faults: Sequence[Fault]) -> list[list[list[Fault]]]:
    """Lane -> kiosks one after the other -> the faults that one kiosk suffers in turn."""
    first = sorted((f for f in faults if f.name in FIRST), key=lambda f: FIRST.index(f.name))
    rest = [f for f in faults if f.name not in FIRST]
    return [by_kit(lane) for lane in (first, rest) if lane]


def by_kit(lane: Sequence[Fault]) -> list[list[Fault]]:
    """The faults of each kit, in the order in which the kits first occur."""
    kits = list(dict.fromkeys(f.kit for f in lane))
    return [[f for f in lane if f.kit == kit] for kit in kits]


class Campaign:
    """Runs faults in lanes, tells of each round, and leaves nothing behind when it is interrupted."""

    def __init__(self, rounds: int, seed: int, folder: Path, say: Say) -> None:
        """Prepare; `folder` is for everything that the kiosks need, `say` takes a line after each round."""
        self.rounds, self.seed, self.folder, self.say = rounds, seed, folder, say
        self.outcomes: list[Outcome] = []
        self._stalls, self._begun = Stalls(), monotonic()
        self._benches: list[Bench] = []

    def run(self, faults: Sequence[Fault]) -> list[Outcome]:
        """Do all of it; what this machine cannot do is left out by the caller."""
        lanes = enumerate(lanes_of(faults))
        threads = [threading.Thread(target=self._lane, args=(lane, f"lane-{n}"), daemon=True) for n, lane in lanes]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            for bench in self._benches:
                bench.close()
        return self.outcomes

    def _lane(self, lane: list[list[Fault]], name: str) -> None:
        for number, group in enumerate(lane):
            try:
                self._suffer(group, self.folder / f"{name}-{number}")
            except (
                Exception
            ) as error:  # whatever it is, the other kiosks go on, and the rounds are missing in the table
                self.say(f"{name} ended: {type(error).__name__}: {error}")

    def _suffer(self, group: list[Fault], place: Path) -> None:
        """One kiosk and its faults in turn, each round by a seed of its own."""
        bench = Bench(place, group[0].kit)
        self._benches.append(bench)
        for number in range(self.rounds):
            for fault in group:
                chance = random.Random(f"{self.seed} {fault.name} {number}")
                outcome = one_round(bench, fault, chance, self._stalls)
                self.outcomes.append(outcome)
                self.say(f"{monotonic() - self._begun:6.0f} s  {number + 1}/{self.rounds} {told(outcome)}")
        self._benches.remove(bench)
        bench.close()


def told(outcome: Outcome) -> str:
    """A round on a line."""
    how = f"FAILED: {outcome.wrong}" if outcome.wrong else f"ok again after {outcome.recovery_s:.1f} s"
    return f"{outcome.fault}: {how}, gap {outcome.gap_s:.2f} of {outcome.allowed_s:.2f} s"


def summary(
    faults: Sequence[Fault], outcomes: Sequence[Outcome], skipped: Mapping[str, str], rounds: int
) -> list[dict[str, Any]]:
    """One entry a fault, in the faults' order; seconds. Rounds that were not come to are not passed."""
    entries = []
    for fault in faults:
        of = [o for o in outcomes if o.fault == fault.name]
        done = [o for o in of if not o.wrong]
        recoveries = [o.recovery_s for o in done]
        entries.append(
            {
                "fault": fault.name,
                "rounds": 0 if fault.name in skipped else rounds,
                "passed": len(done),
                "recovery_p50_s": median(recoveries) if recoveries else None,
                "recovery_max_s": max(recoveries, default=None),
                "gap_max_s": max((o.gap_s for o in of), default=None),
                "documented_gap_s": fault.gap_s,
                "documented_gap_is": fault.why,
                "stood_still_max_s": max((o.allowed_s - fault.gap_s for o in done), default=None),
                "lost": sum(o.lost for o in of),
                "skipped": skipped.get(fault.name, ""),
                "wrong": [o.wrong for o in of if o.wrong],
            }
        )
    return entries


def table(entries: Sequence[Mapping[str, Any]]) -> str:
    """Lines for a terminal; what was skipped or went wrong follows below."""
    rows = [COLUMNS, *(_row(entry) for entry in entries)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    lines = [
        "  ".join(cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(pairs)).rstrip()
        for pairs in (list(zip(row, widths, strict=True)) for row in rows)
    ]
    notes = [f"{e['fault']}: skipped, {e['skipped']}" for e in entries if e["skipped"]]
    notes += [f"{e['fault']}: {wrong}" for e in entries for wrong in e["wrong"]]
    return "\n".join([*lines, *notes])


def _row(entry: Mapping[str, Any]) -> tuple[str, ...]:
    times = ("recovery_p50_s", "recovery_max_s", "gap_max_s", "documented_gap_s")
    told = ("-" if entry[name] is None else f"{entry[name]:.2f} s" for name in times)
    return entry["fault"], str(entry["rounds"]), str(entry["passed"]), *told, str(entry["lost"])
