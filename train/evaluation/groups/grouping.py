"""Who is in which group: columns of a manifest or of a table beside it, alone and crossed."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....bundle.dataset import Sample
from ....bundle.labels import known_label
from ....bundle.tables import Table, read_table
from ....errors import DatasetError, UsageError
from ....export.metrics import Classes
from ....words import counted

MAX_VALUES = 20
"""A column of more different values is a name, a file or an age in years, and has no groups yet."""
MAX_CROSSED = 3
"""Columns that are crossed where a table is given and none is asked for."""
CROSS = " x "
NOT_GROUPS = ("path", "split", "label", "source", "contempt", "unknown", "nf")
"""Columns of the published manifests, beside votes and labels, that say nothing of the person."""


@dataclass(frozen=True)
class Partition:
    """The groups that a column, or several crossed, make of the pictures.

    Attributes:
        by: the columns, joined by " x ".
        names: of the groups: their values, joined likewise.
        members: for each picture the index of its group, or -1 where a cell is empty or the picture has no row.
    """

    by: str
    names: tuple[str, ...]
    members: Classes

    def of(self, kept: NDArray[np.bool_]) -> Partition:
        """The same groups of the kept pictures alone."""
        return replace(self, members=self.members[kept])


def everybody(count: int) -> Partition:
    """All of so many pictures as one group, where nobody asked for groups."""
    return Partition("all", ("faces",), np.zeros(count, np.int64))


def partitions(
    asked: str, data: Path, samples: Sequence[Sample], on_notice: Callable[[str], None] = lambda line: None
) -> list[Partition]:
    """The groups of some pictures.

    Args:
        asked: columns of the manifest, "gender,age"; "gender+age" crosses two. A CSV file before them, "groups.csv" or
            "groups.csv,gender", is the table instead; without columns all of its are taken, alone and crossed.
        data: the folder that the table's paths begin from, or the manifest in it.
        on_notice: told how many pictures are in no group.

    Raises:
        UsageError, DatasetError: no such table or column, none of its paths a picture, or a column without groups.
    """
    table, sets = _asked(asked, data, "--groups")
    columns = sorted({column for columns in sets for column in columns})
    found = _cells(table, columns, data, samples, MAX_VALUES)
    made = [_partition(by, [_crossed(row, by) for row in found]) for by in sets]
    left: dict[int, list[str]] = {}
    for part in made:
        if not part.names:
            raise DatasetError(
                f"no picture is in a group by {part.by}",
                cause=f"its cells are empty for every picture of {data} that is measured",
                hint=f"head -3 {shlex.quote(str(table))}",
            )
        left.setdefault(int((part.members < 0).sum()), []).append(part.by)
    for count, by in left.items():
        if count:
            on_notice(f"in no group by {', '.join(by)}: {counted(count, 'picture')}")
    return made


def people(asked: str, data: Path, samples: Sequence[Sample]) -> list[str]:
    """Who each picture is of; "" where the table does not say.

    Args:
        asked: a column of the manifest, "person"; or "people.csv,person", a CSV file of path and such a column.
        data: as for `partitions`.

    Raises:
        UsageError, DatasetError: as `partitions`; a person may have any number of pictures, and there may be any number
        of them.
    """
    table, sets = _asked(asked, data, "--resting")
    if not table.is_file() and table.parent == data:
        raise UsageError(
            f"{data} has no manifest.csv, whose column {asked} would say who a picture is of",
            cause="folders of labels do not say it; a table of the columns path and person beside them does",
            hint=f"fer-edge evaluate --data {shlex.quote(str(data))} --resting people.csv,person",
        )
    if len(sets) > 1 or len(sets[0]) > 1:
        raise UsageError(
            f"--resting {asked!r} names several columns, and one says who a picture is of",
            hint="the same command with --resting person",
        )
    return [row.get(sets[0][0], "") for row in _cells(table, sets[0], data, samples)]


def _asked(asked: str, data: Path, option: str) -> tuple[Path, list[tuple[str, ...]]]:
    """The table, and which of its columns make groups, each alone or crossed with others."""
    words = [word.strip() for word in asked.split(",") if word.strip()]
    table = data if data.is_file() else data / "manifest.csv"
    if words and (words[0].casefold().endswith((".csv", ".tsv")) or Path(words[0]).is_file()):
        table, words = Path(words[0]), words[1:]
        words = words or _all(table)
    if not words:
        raise UsageError(
            f"{option} {asked!r} names no column",
            cause="it takes columns of the manifest, or a CSV file of path and such columns",
            hint="the same command with " + ("--groups gender,age" if option == "--groups" else "--resting person"),
        )
    sets = [tuple(part.strip() for part in word.split("+")) for word in words]
    return table, list(dict.fromkeys(sets))


def _all(table: Path) -> list[str]:
    """A table's columns that are about the person, alone and crossed."""
    columns = read_table(table, ("path",)).columns
    about = [c for c in columns if c not in NOT_GROUPS and not c.endswith("_label") and not known_label(c)]
    sizes = range(1, min(len(about), MAX_CROSSED) + 1)
    return ["+".join(chosen) for size in sizes for chosen in combinations(about, size)]


def _cells(
    table: Path, columns: Sequence[str], data: Path, samples: Sequence[Sample], most: int | None = None
) -> list[dict[str, str]]:
    """Each picture's cells in these columns, none where it has no row; raises DatasetError where they cannot serve.

    Args:
        most: different values that a column may have.
    """
    rows = _rows(read_table(table, ("path", *columns), hint=f"head -1 {shlex.quote(str(table))}"), columns, table)
    for column in columns:
        _check_values(column, sorted({dict(cells)[column] for cells in rows.values()} - {""}), table, most)
    root = data if data.is_dir() else data.parent
    found = [dict(rows.get(os.path.relpath(s.path, root), ())) for s in samples]
    if not any(found):
        raise DatasetError(
            f"no path of {table} names a picture of {data}",
            cause="paths are relative to the data folder, as in the manifest, and the split has other pictures",
            hint=f"head -2 {shlex.quote(str(table))}",
        )
    return found


def _rows(content: Table, columns: Sequence[str], table: Path) -> dict[str, tuple[tuple[str, str], ...]]:
    """Normalised path -> its cells in these columns; raises DatasetError where one picture has two rows that differ."""
    rows: dict[str, tuple[tuple[str, str], ...]] = {}
    for line, row in content.rows:
        cells = tuple((column, row[column].strip()) for column in columns)
        if rows.setdefault(os.path.normpath(row["path"]), cells) != cells:
            raise DatasetError(f"{table}, line {line}: {row['path']} was put into other groups before")
    return rows


def _check_values(column: str, values: Sequence[str], table: Path, most: int | None) -> None:
    if not values:
        raise DatasetError(f"{table}: the column {column} is empty", hint=f"head -3 {shlex.quote(str(table))}")
    if most and len(values) > most:
        raise DatasetError(
            f"{table}: the column {column} has {len(values)} different values, {values[0]!r} and {values[-1]!r} too",
            cause=f"groups are at most {most}; an age in years has to be put into bands first",
        )
    small = [value.casefold() for value in values]
    if twice := next((v for v in values if small.count(v.casefold()) > 1), None):
        raise DatasetError(
            f"{table}: the column {column} writes {twice!r} in two ways, which would be two of them",
            hint=f"grep -in {shlex.quote(twice)} {shlex.quote(str(table))}",
        )


def _crossed(row: dict[str, str], columns: Sequence[str]) -> str:
    """The name of a row's group; empty where one of its cells is."""
    values = [row.get(column, "") for column in columns]
    return CROSS.join(values) if all(values) else ""


def _partition(columns: Sequence[str], of_each: Sequence[str]) -> Partition:
    names = sorted(set(of_each) - {""})
    place = {name: i for i, name in enumerate(names)}
    return Partition(CROSS.join(columns), tuple(names), np.array([place.get(n, -1) for n in of_each], np.int64))
