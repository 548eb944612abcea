"""Two runs against each other: by how much each row changed, and whether that is more than noise."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ...errors import InputError
from ...words import counted
from ..results.metrics import half_medians_ms
from ..results.results import ResultRow, Results
from .bootstrap import LEVEL, RESAMPLES, Interval, block_length, ratio_intervals
from .tables import label, lines_of, tags_of

MIN_QUERIES = 30
"""Queries that each run must have: below it a handful of blocks is all there is to draw from."""
NOISE, FASTER, SLOWER, NONE = "within noise", "faster", "slower", "not compared"


@dataclass(frozen=True)
class Comparison:
    """One row of both runs, or a row that could not be compared.

    Attributes:
        a_ms, b_ms: medians; None where there is no figure.
        medians, means: ratio B / A; below 1 B is faster.
        medians_interval, means_interval: 95 % by the moving-block bootstrap.
        drift: the larger change of the median between the halves of one run, as a ratio from 1 on. A difference no
            larger is called noise too: what moved inside one run can move between two.
        block: samples in a block of the bootstrap, the longer of both runs'.
        verdict: of the medians: `within noise`, `faster`, `slower`, or `not compared`, and then `notes` has the reason.
        notes: what to know before believing it.
    """

    row: str
    verdict: str
    a_ms: float | None = None
    b_ms: float | None = None
    medians: float | None = None
    medians_interval: Interval | None = None
    means: float | None = None
    means_interval: Interval | None = None
    drift: float | None = None
    block: int = 0
    notes: Sequence[str] = ()

    @property
    def said(self) -> str:
        """The verdict in words, with how much of A's time B needs less or more."""
        if self.medians is None or self.verdict not in (FASTER, SLOWER):
            return self.verdict
        return f"{self.verdict} by {100 * abs(self.medians - 1):.1f} %"


def compare(a: Results, b: Results) -> list[Comparison]:
    """Rows of the same device, model, input, precision and scope; then, as `not compared`, those of one run only.

    Rows without figures in both runs are left out.

    Raises InputError: the runs have no measured row in common.
    """
    first, second = _by_key(a), _by_key(b)
    both = [key for key in first if key in second]
    if not both:
        raise InputError(
            "the two runs have no measured row in common",
            cause=f"A has {_names(first.values())}; B has {_names(second.values())}",
            hint="run both benchmarks with the same devices, models, sizes and precisions",
        )
    found = [_pair(first[key], second[key]) for key in both]
    found += [_alone(row, "A", "B", b) for key, row in first.items() if key not in second]
    return found + [_alone(row, "B", "A", a) for key, row in second.items() if key not in first]


def differences(a: Results, b: Results) -> list[str]:
    """In what the runs' surroundings differ: version, mode, rules, board, libraries."""
    one, other = (
        dict(lines_of({"fer_edge": r.fer_edge, "mode": r.mode, "rules": r.rules, **r.environment})) for r in (a, b)
    )
    names = [n for n in {**one, **other} if one.get(n) != other.get(n)]
    said = [f"{n}: {one.get(n, 'not known')} in A, {other.get(n, 'not known')} in B" for n in names]
    return said + [f"{name} is not complete: {r.ended}" for name, r in (("A", a), ("B", b)) if not r.complete]


def text(found: Sequence[Comparison], different: Sequence[str]) -> str:
    """For people: differences first, then a paragraph a row."""
    lines = ["B against A. A ratio is B's latency over A's: below 1 B is faster.", ""]
    lines += [*(f"  differs: {d}" for d in different), *([""] if different else [])]
    for c in found:
        lines.append(f"{c.row}: {c.said}")
        if c.medians_interval and c.means_interval:
            spread = [f"{low:.3f} to {high:.3f}" for low, high in (c.medians_interval, c.means_interval)]
            lines.append(f"  p50 {c.a_ms:.3f} ms in A, {c.b_ms:.3f} ms in B, ratio {c.medians:.3f} ({spread[0]})")
            lines.append(f"  ratio of the means {c.means:.3f} ({spread[1]})")
        lines += [f"  note: {note}" for note in c.notes]
    rule = f"Intervals: {LEVEL:.0%}, moving-block bootstrap, {RESAMPLES} resamples."
    return "\n".join([*lines, "", rule])


def as_dict(found: Sequence[Comparison], different: Sequence[str]) -> dict[str, Any]:
    """The same for JSON."""
    rows = [{**asdict(c), "said": c.said, "notes": list(c.notes)} for c in found]
    return {"level": LEVEL, "resamples": RESAMPLES, "differences": list(different), "rows": rows}


def drift_of(row: ResultRow) -> float:
    """How far the medians of a run's two halves are apart: the larger over the smaller, 1 for none."""
    low, high = sorted(half_medians_ms(row.samples_ns))
    return high / low


def _pair(a: ResultRow, b: ResultRow) -> Comparison:
    one, other, notes = a.figures, b.figures, _notes(a, b)
    count = int(min(one["queries"], other["queries"]))
    if count < MIN_QUERIES:
        return Comparison(
            label(a), NONE, notes=(f"{counted(count, 'query', 'queries')}: too few, {MIN_QUERIES} are needed", *notes)
        )
    if not (one["min_ms"] and other["min_ms"]):
        return Comparison(label(a), NONE, notes=("a latency is 0: the clock was too coarse", *notes))
    medians, means = ratio_intervals(a.samples_ns, b.samples_ns)
    ratio, drift = other["p50_ms"] / one["p50_ms"], max(drift_of(a), drift_of(b))
    sure = not medians[0] <= 1 <= medians[1]
    if sure and abs(math.log(ratio)) <= math.log(drift):
        sure = False
        notes.insert(0, f"the halves of one run differ by as much ({100 * (drift - 1):.1f} %)")
    return Comparison(
        row=label(a),
        verdict=NOISE if not sure else FASTER if ratio < 1 else SLOWER,
        a_ms=one["p50_ms"],
        b_ms=other["p50_ms"],
        medians=ratio,
        medians_interval=medians,
        means=other["mean_ms"] / one["mean_ms"],
        means_interval=means,
        drift=drift,
        block=block_length(max(len(a.samples_ns), len(b.samples_ns))),
        notes=notes,
    )


def _notes(a: ResultRow, b: ResultRow) -> list[str]:
    notes = [f"{run} is marked {tags_of(row)}" for run, row in (("A", a), ("B", b)) if tags_of(row)]
    if a.sha256 != b.sha256:
        notes.append(f"the artifacts differ: {a.sha256[:12] or 'unknown'} in A, {b.sha256[:12] or 'unknown'} in B")
    return notes + [f"{run}: {w}" for run, row in (("A", a), ("B", b)) for w in row.warnings]


def _by_key(results: Results) -> dict[tuple[object, ...], ResultRow]:
    """Measured rows by their key; what one run measured twice is paired in order."""
    times: defaultdict[tuple[object, ...], int] = defaultdict(int)
    found: dict[tuple[object, ...], ResultRow] = {}
    for row in results.rows:
        if row.samples_ns:
            times[row.key] += 1
            found[(*row.key, times[row.key])] = row
    return found


def _alone(row: ResultRow, run: str, other: str, results: Results) -> Comparison:
    near = [r for r in results.rows if (r.device, r.model, r.scope) == (row.device, row.model, row.scope)]
    measured = [label(r) for r in near if r.samples_ns]
    if measured:
        why = f"{other} has {', '.join(measured)} instead"
    elif near:
        why = f"in {other} it is {near[0].state}: {near[0].reason or 'no reason given'}"
    else:
        why = f"{other} has no such row"
    return Comparison(label(row), NONE, notes=(f"only in {run}; {why}",))


def _names(rows: Any) -> str:
    names = [label(row) for row in rows]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "") or "none"
