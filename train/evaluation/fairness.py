"""Accuracy by group, with the uncertainty that small groups bring."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from ...bundle.tables import read_table
from ...errors import DatasetError

COLUMNS: dict[str, tuple[str, ...]] = {
    "gender": (),
    "skin": ("F1", "F2", "F3", "F4"),
    "age": ("Young", "Adult", "Senior"),
}
"""Column -> its allowed values; () allows any."""
SMALL = 30
"""Fewer pictures than this: the interval is given, and the group is called too small to speak of."""
Z = 1.959964
"""Two-sided 95 % quantile of the normal distribution."""


@dataclass(frozen=True)
class Group:
    """One group's figures.

    Attributes:
        by: the columns that define it, joined by " x ".
        name: their values, joined likewise.
        pictures, correct: counts.
        low, high: 95 % Wilson interval of the accuracy.
    """

    by: str
    name: str
    pictures: int
    correct: int
    low: float
    high: float

    @property
    def accuracy(self) -> float:
        """Share of correct pictures, 0..1."""
        return self.correct / self.pictures

    @property
    def too_small(self) -> bool:
        """Whether the group is too small to speak of."""
        return self.pictures < SMALL


def wilson(correct: int, count: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927), within 0..1; (0, 1) for no pictures."""
    if not count:
        return 0.0, 1.0
    share, z2 = correct / count, Z * Z
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = Z * math.sqrt(share * (1 - share) / count + z2 / (4 * count * count)) / (1 + z2 / count)
    return max(0.0, middle - half), min(1.0, middle + half)


def read_groups(table: Path) -> dict[str, dict[str, str]]:
    """Picture path, as the table writes it -> its value in each of COLUMNS.

    Raises DatasetError: the file or a column is missing, or a value is not allowed, with its line.
    """
    groups = {}
    for line, row in read_table(table, ("path", *COLUMNS)).rows:
        for column, allowed in COLUMNS.items():
            if allowed and row[column] not in allowed:
                raise DatasetError(
                    f"{table}, line {line}: {column} is {row[column]!r}",
                    cause=f"it must be one of {', '.join(allowed)}",
                )
        groups[row["path"]] = {c: row[c] for c in COLUMNS}
    return groups


def by_group(rows: Iterable[tuple[Mapping[str, str], bool]]) -> list[Group]:
    """Figures of every group and every intersection of columns that occurs.

    Args:
        rows: for each picture its values by column, and whether the prediction was right.
    """
    counted: dict[tuple[str, str], list[int]] = {}
    for values, right in rows:
        for columns in _column_sets(list(COLUMNS)):
            key = (" x ".join(columns), " x ".join(values[c] for c in columns))
            tally = counted.setdefault(key, [0, 0])
            tally[0] += 1
            tally[1] += int(right)
    found = [Group(by, name, n, k, *wilson(k, n)) for (by, name), (n, k) in counted.items()]
    return sorted(found, key=lambda g: (g.by.count(" x "), g.by, g.name))


def table(groups: Sequence[Group]) -> str:
    """The figures as lines of text."""
    lines = [f"{'group':44} {'pictures':>8} {'accuracy':>8}  95 % interval"]
    for g in groups:
        note = "  too small to speak of" if g.too_small else ""
        lines.append(f"{g.by + ': ' + g.name:44} {g.pictures:8} {g.accuracy:8.3f}  {g.low:.3f}..{g.high:.3f}{note}")
    return "\n".join(lines)


def _column_sets(columns: Sequence[str]) -> list[tuple[str, ...]]:
    return [chosen for size in range(1, len(columns) + 1) for chosen in combinations(columns, size)]
