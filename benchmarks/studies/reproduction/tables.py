"""Tables of pairs, the study's figure and ours, as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

NOT_RUN, NOT_TOLD = "not run", "-"


@dataclass(frozen=True)
class Pair:
    """A figure of the study's, None where it has none, and ours, None where it was not run."""

    published: float | str | None
    ours: float | str | None
    digits: int = 3

    def shown(self, value: float | str | None, absent: str) -> str:
        """One of the two as text."""
        return absent if value is None else value if isinstance(value, str) else f"{value:.{self.digits}f}"

    def __str__(self) -> str:
        return f"{self.shown(self.published, NOT_TOLD)} / {self.shown(self.ours, NOT_RUN)}"


@dataclass(frozen=True)
class Table:
    """One table of the page.

    Attributes:
        name: of its CSV file; title: its heading.
        caption: what ours was measured on, and what was reduced.
        columns: the first is what a row is about.
        rows: a name and a pair for each further column.
        note: what differs, and why.
        pictures: files beside the CSV, shown below.
    """

    name: str
    title: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Pair, ...]], ...]
    note: str = ""
    pictures: tuple[str, ...] = ()

    def markdown(self) -> str:
        """Heading, caption, table (`study / ours`), pictures and note."""
        lines = [
            f"## {self.title}",
            self.caption,
            "",
            "| " + " | ".join(self.columns) + " |",
            "|---" * len(self.columns) + "|",
        ]
        lines += ["| " + " | ".join([name, *(str(pair) for pair in pairs)]) + " |" for name, pairs in self.rows]
        lines += ["", *(f"![{self.title}](reproduction/{picture})" for picture in self.pictures)]
        return "\n".join([*lines, *([self.note, ""] if self.note else [])])

    def as_csv(self) -> str:
        """One line a cell: row, figure, the study's value and ours, `not run` where it was not."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(("row", "figure", "published", "ours"))
        for name, pairs in self.rows:
            for column, pair in zip(self.columns[1:], pairs, strict=True):
                ours = NOT_RUN if pair.ours is None else pair.ours
                writer.writerow((name, column, "" if pair.published is None else pair.published, ours))
        return out.getvalue()


def spread(published: Sequence[float] | None, ours: dict[str, float] | None, digits: int) -> Pair:
    """Mean (least to greatest) on both sides."""

    def said(values: Sequence[float] | None) -> str | None:
        return None if values is None else f"{values[0]:.{digits}f} ({values[1]:.{digits}f} to {values[2]:.{digits}f})"

    return Pair(said(published), said([ours[k] for k in ("mean", "min", "max")] if ours else None))
