"""The campaign's outcome as a table for a terminal, and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from .fault import Fault
from .rounds import Outcome

COLUMNS = ("fault", "rounds", "passed", "recovery p50", "max", "gap max", "documented", "lost")


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
