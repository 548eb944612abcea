"""A run as Markdown and as CSV."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...bundle import writing
from ..results.metrics import METRICS, STAGE_METRICS
from ..results.results import ResultRow, Results
from .tables import Table, about, tables_of, warnings_of, when

PLAIN = (
    *("device", "title", "model", "size", "precision", "scope", "state", "reason", "hint", "artifact", "sha256"),
    *("degraded", "simulated", "price_usd", "price_year", "first_ms", "peak_mib"),
)
"""Columns of the CSV that a row has by that name."""
NESTED = {
    "warmup": ("queries", "settled"),
    "camera": ("fps", "dropped"),
    "accuracy": ("set", "images", "accuracy", "mean_recall", "points"),
    "published": ("mean_ms", "fps", "source", "ratio", "verdict"),
    "estimate": ("mean_ms", "low_ms", "high_ms", "tool"),
}
"""Columns from a row's mappings, such as `published_mean_ms`."""


def markdown(results: Results) -> str:
    """The whole report: warnings, tables, environment."""
    parts = [f"# Benchmark of {_plain(when(results))}", ""]
    parts += [f"Mode: {results.mode}. Written by fer-edge {_plain(results.fer_edge)}.", ""]
    parts += [f"- {_plain(w)}" for w in warnings_of(results)]
    for table in tables_of(results):
        parts += ["", f"## {table.title}", "", markdown_table(table)]
    parts += ["", "## Environment", "", "| what | value |", "|---|---|"]
    parts += [f"| {_plain(name)} | {_plain(value)} |" for name, value in about(results)]
    return "\n".join(parts) + "\n"


def markdown_table(table: Table) -> str:
    """A table in GitHub's Markdown with its note below; a marked row begins in bold, with its mark."""
    if not table.rows:
        return "Nothing was measured."
    lines = [f"| {' | '.join(table.rows[0])} |", "|---" * len(table.rows[0]) + "|"]
    for row, marked in zip(table.rows, table.marks, strict=True):
        first, *others = (_plain(c) for c in row.values())
        lines.append("| " + " | ".join([f"**{first} {marked}**" if marked else first, *others]) + " |")
    return "\n".join([*lines, *(["", table.note] if table.note else [])])


def write_csv(path: Path, results: Results) -> None:
    """One record a row, flat, without the samples; RFC 4180, as Python's csv writes it. Raises OutputError."""
    stages = list(dict.fromkeys(s for r in results.rows for s in r.stages))
    with writing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        rows = [_flat(r, stages) for r in results.rows]
        table = csv.DictWriter(file, list(rows[0]) if rows else list(PLAIN))
        table.writeheader()
        table.writerows(rows)


def _flat(row: ResultRow, stages: Sequence[str]) -> dict[str, Any]:
    flat: dict[str, Any] = {name: getattr(row, name) for name in PLAIN}
    flat |= {name: row.figures.get(name) for name in METRICS}
    flat |= {f"stage_{s}_{name}": row.stages.get(s, {}).get(name) for s in stages for name in STAGE_METRICS}
    flat |= {f"{group}_{name}": getattr(row, group).get(name) for group, names in NESTED.items() for name in names}
    for moment in ("before", "after"):
        board = row.board.get(moment)
        flat[f"temperature_{moment}_c"] = board.get("temperature_c") if isinstance(board, Mapping) else None
    return {**flat, "warnings": "; ".join(row.warnings)}


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, in one line and in a table's cell too."""
    line = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\|`*\[\]])", r"\\\1", line)
