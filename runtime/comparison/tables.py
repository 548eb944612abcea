"""A comparison as tables for R and pandas: one value a row, and a dictionary of their columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..storage.export import FORMATS, time_text
from .compare import Comparison


@dataclass(frozen=True)
class Column:
    """Of a table: its type as pyarrow calls it, its unit or nothing, and what it says."""

    kind: str
    unit: str
    meaning: str


_WHO = {
    "session": Column("string", "", "the session's folder in the study"),
    "subject": Column("string", "", "the subject's code"),
    "group": Column("string", "", "the subject's group; empty where none was told"),
    "condition": Column("string", "", "the session's condition; empty where it has none"),
    "began": Column("string", "ISO 8601, UTC", "when the session began; of a film, when it was looked at"),
}
_FIGURE = {
    "figure": Column("string", "", "a figure of docs/session-figures.md"),
    "label": Column("string", "", "the expression that the figure is of; empty where it is of all"),
}
_INTERVAL = {
    "low": Column("float64", "as the figure", "beginning of the interval of 95 %; empty where there is none"),
    "high": Column("float64", "as the figure", "its end"),
}
DICTIONARY: Mapping[str, Mapping[str, Column]] = {
    "sessions": {
        **_WHO,
        "live": Column("bool_", "", "1: of a camera or stream; 0: of a film, whose date is not known"),
        "seconds": Column("float64", "s", "from the first frame to the end of the last"),
        "read_s": Column("float64", "s", "of these, with the subject's face in view and read"),
        "resting": Column("bool_", "", "1: the subject's resting face was taken off"),
        "model": Column("string", "", "SHA-256 of the artifact that read the faces"),
    },
    "values": {
        **_WHO,
        **_FIGURE,
        "value": Column("float64", "as the figure", "of this subject in this session; empty where it is not defined"),
        **_INTERVAL,
    },
    "contrasts": {
        "kind": Column("string", "", "conditions: the same subjects in both; groups: others; trend: one over time"),
        "condition": Column("string", "", "in which groups or a trend were looked at"),
        "a": Column("string", "", "the condition or group that b is held against"),
        "b": Column("string", "", "the other one"),
        "subject": Column("string", "", "of a trend"),
        **_FIGURE,
        "n_a": Column("int64", "", "subjects with a value in a; of a trend, sessions"),
        "n_b": Column("int64", "", "subjects with a value in b; of a trend 0"),
        "mean_a": Column("float64", "as the figure", "mean over subjects in a; of a trend, the first session's value"),
        "mean_b": Column("float64", "as the figure", "mean over subjects in b; of a trend, the last session's value"),
        "estimate": Column("float64", "as the figure; trend: per week", "mean_b less mean_a; of a trend the slope"),
        **_INTERVAL,
        "effect": Column("float64", "", "conditions, groups: Hedges' g; trend: Kendall's tau"),
        "p": Column("float64", "", "two-sided, exact; empty where so few give none below 0.05, or nothing varies"),
        "least_p": Column("float64", "", "the smallest p that so many could give"),
        "p_holm": Column("float64", "", "p corrected by Holm for all tests of its kind in this table"),
    },
}  # fmt: skip
"""Table -> its columns."""
DICTIONARY_COLUMNS = {"table": "string", "column": "string", "type": "string", "unit": "string", "meaning": "string"}


def write_tables(comparison: Comparison, folder: Path, kind: str) -> None:
    """Write every table, and the dictionary, as `csv` or `parquet`; raises MissingExtra."""
    for name, columns in DICTIONARY.items():
        types = {column: about.kind for column, about in columns.items()}
        rows = ([row[column] for column in columns] for row in rows_of(comparison, name))
        FORMATS[kind](folder / f"{name}.{kind}", types, rows)
    lines = [
        (table, name, about.kind.rstrip("_"), about.unit, about.meaning)
        for table, columns in DICTIONARY.items()
        for name, about in columns.items()
    ]
    FORMATS[kind](folder / f"dictionary.{kind}", DICTIONARY_COLUMNS, lines)


def rows_of(comparison: Comparison, table: str) -> Iterator[Mapping[str, Any]]:
    """A table's rows, cells by column."""
    if table == "contrasts":
        yield from map(asdict, comparison.contrasts)
        return
    for s in comparison.sessions:
        group = comparison.groups.get(s.subject, "")
        who = {"session": s.session, "subject": s.subject, "group": group, "condition": s.condition}
        who["began"] = time_text(s.began_ms)
        if table == "sessions":
            more = {"live": s.live, "seconds": s.seconds, "read_s": s.read_s, "resting": s.resting is not None}
            yield {**who, **more, "model": str(s.facts.get("artifact_sha256", ""))}
        for (figure, label), estimate in s.estimates.items() if table == "values" else ():
            yield {**who, "figure": figure, "label": label, **asdict(estimate)}
