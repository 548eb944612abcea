"""CSV tables that people made: with a byte order mark, semicolons or tabs, as spreadsheets save them."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import DatasetError
from ..files import NotText, read_text


@dataclass(frozen=True)
class Table:
    """A table's columns, and its rows by line number."""

    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]


def read_table(path: Path, wanted: Sequence[str], hint: str = "") -> Table:
    """Read a CSV table in UTF-8 that must have the wanted columns.

    Raises:
        DatasetError: no file, another encoding, or a column or cell is missing, with its line.
    """
    if not path.is_file():
        raise DatasetError(f"{path} is not a file", hint=f"ls {shlex.quote(str(path.parent))}")
    name = shlex.quote(str(path))
    try:
        text = read_text(path)
    except NotText as error:
        raise DatasetError(
            f"{path} {error}",
            cause="a spreadsheet saved it so; its 'CSV UTF-8' is what can be read",
            hint=f"iconv -f {error.coding} -t UTF-8 {name} > utf8.csv" if error.coding else f"file {name}",
        ) from None
    head = text.partition("\n")[0]
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count))
    columns = tuple(rows.fieldnames or ())
    missing = [name for name in wanted if name not in columns]
    if missing:
        raise DatasetError(
            f"{path} has no column {', '.join(missing)}",
            cause=f"its columns are: {', '.join(columns)}",
            hint=hint or f"head -1 {name}",
        )
    found = []
    for row in rows:
        if any(row[name] is None for name in columns):
            raise DatasetError(f"{path}, line {rows.line_num}: no column may be missing")
        found.append((rows.line_num, {name: row[name] for name in columns}))
    return Table(columns, tuple(found))
