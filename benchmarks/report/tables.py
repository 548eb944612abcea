"""The tables of a report, as text in cells: what was measured, what was published, what is missing and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..results.results import FAILED, PARTIAL, ResultRow, Results


@dataclass(frozen=True)
class Table:
    """Cells by column; all rows have the same columns.

    Attributes:
        marks: for each row, DEGRADED and the like where its figures are no whole measurement of its device, else empty.
        note: a sentence to stand below.
    """

    title: str
    rows: Sequence[Mapping[str, str]]
    marks: Sequence[str]
    note: str = ""


def tables_of(results: Results) -> list[Table]:
    """The tables that have rows; the measured one stands always."""
    first, *others = measured_table(results), published_table(results), unmeasured_table(results)
    return [first, *(t for t in others if t.rows)]


def measured_table(results: Results) -> Table:
    """Every row with figures, in the order measured."""
    rows = [r for r in results.rows if r.figures]
    note = "Percentiles are values that were measured (index floor(n x share)); fps is derived, 1000 / mean ms."
    return Table("Measured", [_measured(r, results.mode) for r in rows], [tags_of(r) for r in rows], note)


def published_table(results: Results) -> Table:
    """Rows with a published figure, a verdict or an estimate; a cell that nobody measured or published is empty."""
    rows = [r for r in results.rows if r.published or r.estimate]
    note = "Ratio: measured mean over published mean. An estimate is what a tool expects, never a measurement."
    marks = [tags_of(r) if r.figures else "" for r in rows]
    return Table("Against the published figures", [_published(r) for r in rows], marks, note)


def unmeasured_table(results: Results) -> Table:
    """Rows without figures, with the reason and the command to try; models of one device that share them together."""
    models: dict[tuple[str, ...], list[str]] = {}
    for r in results.rows:
        if not r.figures:
            key = (r.title or r.device, r.scope, r.state, r.reason or "no reason given", r.hint)
            models.setdefault(key, []).append(r.model)
    cells = [
        {"device": device, "model": ", ".join(names), "scope": scope, "state": state, "why": why, "try": hint}
        for (device, scope, state, why, hint), names in models.items()
    ]
    return Table("Not measured", cells, [""] * len(cells))


def marks_of(row: ResultRow) -> list[str]:
    """DEGRADED, PASSED OVER, SIMULATED, PARTIAL or FAILED, each with what it means here."""
    marks = []
    if row.degraded:
        marks.append("DEGRADED: the processor stood in")
    if row.backend.get("passed_over"):
        marks.append(f"PASSED OVER: {row.backend['asked']} did not take {row.backend['passed_over']}")
    if row.simulated:
        marks.append("SIMULATED: a vendor's simulator, not the device")
    if row.state in (PARTIAL, FAILED):
        marks.append(f"{row.state.upper()}: {row.reason}" if row.reason else row.state.upper())
    return marks


def tags_of(row: ResultRow) -> str:
    """The marks without what they mean; empty where there is none."""
    return ", ".join(mark.split(":")[0] for mark in marks_of(row))


def label(row: ResultRow) -> str:
    """Device, model, input, precision and scope, short."""
    return " ".join(filter(None, [row.device, row.model, _pixels(row), row.precision, row.scope]))


def warnings_of(results: Results) -> list[str]:
    """What makes the figures doubtful: the whole run's first, then each row's with its name."""
    said = []
    if not results.complete:
        said.append(f"The run is not complete: {results.ended}.")
    if results.mode == "quick":
        said.append("Quick mode: too few queries for figures that others should rely on.")
    for row in results.rows:
        said += [f"{label(row)}: {w}" for w in (*(marks_of(row) if row.figures else ()), *row.warnings)]
    return said


def when(results: Results) -> str:
    """When the run was started, to be read."""
    return results.started.replace("T", " ").replace("+00:00", " UTC")


def about(results: Results) -> list[tuple[str, str]]:
    """The environment block: name and value."""
    return [*lines_of({"rules": results.rules}), *lines_of(results.environment)]


def details(row: ResultRow) -> list[tuple[str, str]]:
    """What was behind a row's figures: artifact, warm-up, stages, temperatures, backend, sources."""
    names = ("state", "artifact", "sha256", "warmup", "figures", "stages", "camera", "accuracy", "board", "backend")
    return list(lines_of({name: getattr(row, name) for name in (*names, "published", "estimate")}))


def lines_of(value: Mapping[str, Any], name: str = "") -> Iterator[tuple[str, str]]:
    """Nested mappings as pairs of a dotted name and text, in their order; empty values are left out."""
    for key, inner in value.items():
        full = f"{name}.{key}" if name else str(key)
        if isinstance(inner, Mapping):
            yield from lines_of(inner, full)
        elif isinstance(inner, list | tuple):
            if inner:
                yield full, ", ".join(str(v) for v in inner)
        elif inner is not None and inner != "":
            yield full, f"{inner:.6g}" if isinstance(inner, float) else str(inner)


def _measured(r: ResultRow, mode: str) -> dict[str, str]:
    many = f"{len(r.warnings)} warning{'s' if len(r.warnings) > 1 else ''}" if r.warnings else ""
    detector = f"detector {r.backend['detector']}" if "detector" in r.backend else ""
    chosen = f"{r.backend['asked']} took {r.backend['device']}" if r.backend.get("asked") else ""
    notes = [*marks_of(r), chosen, detector, "quick" if mode == "quick" else "", many]
    return {
        **_names(r),
        "input": _pixels(r),
        "precision": r.precision,
        "scope": r.scope,
        "p50 ms": _number(r.figures["p50_ms"]),
        "p90 ms": _number(r.figures["p90_ms"]),
        "p99 ms": _number(r.figures["p99_ms"]),
        "mean ms": _number(r.figures["mean_ms"]),
        "fps (derived)": _number(r.figures["fps"]),
        "first ms": _number(r.first_ms),
        "peak MiB": _number(r.peak_mib, "{:.0f}"),
        "accuracy": _number(r.accuracy.get("accuracy"), "{:.4f}"),
        "points vs float32": _number(r.accuracy.get("points"), "{:+.2f}"),
        "notes": "; ".join(filter(None, notes)),
    }


def _published(r: ResultRow) -> dict[str, str]:
    p, e = r.published, r.estimate
    measured = _number(r.figures.get("mean_ms"))
    expected = _number(e.get("mean_ms")) or " to ".join(_number(e[k]) for k in ("low_ms", "high_ms") if k in e)
    year = f" ({r.price_year})" if r.price_year else ""
    return {
        **_names(r),
        "published ms": _number(p.get("mean_ms"), "{:.5g}"),
        "published fps": _number(p.get("fps"), "{:.5g}"),
        "measured ms": " ".join(filter(None, [measured, tags_of(r)])) if measured else "",
        "ratio": _number(p.get("ratio"), "{:.2f}"),
        "verdict": str(p.get("verdict", "")),
        "estimate (tool)": f"{expected} ms ({e['tool']})" if expected else "",
        "price": f"${r.price_usd}{year}" if r.price_usd else "",
    }


def _names(r: ResultRow) -> dict[str, str]:
    return {"device": r.title or r.device, "model": r.model}


def _pixels(r: ResultRow) -> str:
    return f"{r.size} px" if r.size else ""


def _number(value: float | None, form: str = "") -> str:
    """Empty for None; without a form, three digits that count, and all before the point."""
    if value is None:
        return ""
    return (form or ("{:.0f}" if value >= 100 else "{:.1f}" if value >= 10 else "{:.2f}")).format(value)
