"""A kiosk's history as a table: CSV, JSON lines or Parquet."""

from __future__ import annotations

import csv
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

from ...bundle import writing
from ...errors import MissingExtra, UsageError
from .groups import groups, labels_of
from .query import FOREVER, HistoryRow, reading, rows

MIN_GROUP = 3
"""Faces at once, below which a moment is left out of the aggregates unless told otherwise; as [privacy] least_group."""
STDOUT = Path("-")
"""As `ExportOptions.out`: standard output."""
_CHUNK = 5000
_ROW_COLUMNS = {
    "seq": "int64", "time": "string", "clock_ok": "bool_", "run": "int64", "track": "int64", "label": "string",
    "confidence": "float64", "probabilities": "string", "camera": "string",
}  # fmt: skip
_GROUP_COLUMNS = {
    "from": "string", "to": "string", "camera": "string", "clock_ok": "bool_", "faces": "int64",
    "observations": "int64",
}  # fmt: skip

Columns = Mapping[str, str]
"""Name -> type, as pyarrow calls it."""
Cells = Sequence[Any]


@dataclass(frozen=True)
class ExportOptions:
    """What to write, and where.

    Attributes:
        out: the file to write, or `-` for standard output.
        kind: csv, jsonl or parquet.
        span: stamps from span[0] up to but not span[1], milliseconds since 1970.
        minutes: length of a stretch to aggregate over; None: every observation is a line.
        least: moments with fewer faces at once do not count, and a stretch without others is withheld.
        replace: overwrite the file that is there.
    """

    folder: Path
    out: Path
    kind: str = "csv"
    span: tuple[int, int] = FOREVER
    minutes: float | None = None
    least: int = MIN_GROUP
    replace: bool = False


@dataclass(frozen=True)
class Exported:
    """What was written: lines, and stretches that were withheld: never enough faces at once. For the owner alone."""

    lines: int
    withheld: int = 0


def time_text(wall_ms: int) -> str:
    """A stamp as ISO 8601 in UTC, to the millisecond."""
    seconds, rest = divmod(wall_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"


def export_history(options: ExportOptions) -> Exported:
    """Write every observation in the order in which they were made, or one line a stretch with enough faces.

    Raises:
        InputError: no store, or unreadable; MissingExtra: Parquet without pyarrow; OutputError: cannot write.
        UsageError: a file is there already.
    """
    o = options
    if o.out != STDOUT and o.out.exists() and not o.replace:
        raise UsageError(
            f"{o.out} exists",
            cause="an earlier export wrote it",
            hint="the same command with --replace, or another FILE",
        )
    with reading(o.folder) as database:
        if o.minutes is None:
            return Exported(_write(o.kind, o.out, _ROW_COLUMNS, map(_row_cells, rows(database, o.span))))
        kept, withheld = groups(database, o.minutes, o.least, o.span)
    labels = labels_of(kept)
    columns = {**_GROUP_COLUMNS, **{f"share_{label}": "float64" for label in labels}}
    table = (
        (
            *(time_text(g.from_ms), time_text(g.to_ms), g.camera, g.clock_ok, g.faces, g.observations),
            *(round(g.shares.get(label, 0.0), 4) for label in labels),
        )
        for g in kept
    )
    return Exported(_write(o.kind, o.out, columns, table), withheld)


def _row_cells(r: HistoryRow) -> Cells:
    known = r.probabilities
    probabilities = None if known is None else json.dumps({k: round(v, 6) for k, v in known.items()})
    return r.seq, time_text(r.wall_ms), r.clock_ok, r.run, r.track, r.label, r.confidence, probabilities, r.camera


def _write(kind: str, out: Path, columns: Columns, table: Iterable[Cells]) -> int:
    counted = _Counted(table)
    if out == STDOUT:
        with tempfile.TemporaryDirectory() as aside:  # whole or not at all, and Parquet needs a file
            FORMATS[kind](Path(aside) / "table", columns, counted)
            with (Path(aside) / "table").open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.flush()
        return counted.lines
    with writing(out) as temporary:
        FORMATS[kind](temporary, columns, counted)
    return counted.lines


def _write_csv(path: Path, columns: Columns, table: Iterable[Cells]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(columns)
        lines.writerows([int(c) if isinstance(c, bool) else c for c in cells] for cells in table)


def _write_jsonl(path: Path, columns: Columns, table: Iterable[Cells]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for cells in table:
            line = dict(zip(columns, cells, strict=True))
            if line.get("probabilities"):
                line["probabilities"] = json.loads(line["probabilities"])
            file.write(json.dumps(line) + "\n")


def write_parquet(path: Path, columns: Columns, table: Iterable[Cells]) -> None:
    """Write a table as Parquet, a few thousand rows in memory; raises MissingExtra without pyarrow."""
    try:
        pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")  # without types
    except ImportError:
        raise MissingExtra("pyarrow", "parquet") from None
    schema = pyarrow.schema([(name, getattr(pyarrow, kind)()) for name, kind in columns.items()])
    lines = iter(table)
    with parquet.ParquetWriter(path, schema) as writer:
        while chunk := list(islice(lines, _CHUNK)):
            arrays = [
                pyarrow.array(cells, type=f.type) for cells, f in zip(zip(*chunk, strict=True), schema, strict=True)
            ]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))


FORMATS: Mapping[str, Callable[[Path, Columns, Iterable[Cells]], None]] = {
    "csv": _write_csv,
    "jsonl": _write_jsonl,
    "parquet": write_parquet,
}


class _Counted:
    """Counts what is taken from it."""

    def __init__(self, table: Iterable[Cells]) -> None:
        self._table, self.lines = table, 0

    def __iter__(self) -> Iterator[Cells]:
        for cells in self._table:
            self.lines += 1
            yield cells
