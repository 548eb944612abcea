"""The report as one HTML file that needs no network and nothing beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from ...runtime.html import Markup, Template, data_uri
from ..results.results import ResultRow, Results
from .tables import Table, about, details, label, marks_of, tables_of, warnings_of, when

NUMBERS = ("ms", "fps", "MiB", "accuracy", "points", "ratio")
"""Columns whose name has one of these words are set flush right."""
WORDS = ("notes", "verdict", "why", "try")
"""Columns whose lines may break."""


@dataclass(frozen=True)
class Picture:
    """A plot of the page.

    Attributes:
        path: the PNG, or None where there was nothing to draw.
        text: what the plot shows in words, or why there is none.
    """

    title: str
    path: Path | None
    text: str


def render(results: Results, pictures: Sequence[Picture]) -> str:
    """The page as text; reads the pictures' files."""
    warnings = "".join(f"<li>{escape(w)}</li>" for w in warnings_of(results))
    found = f'<section class="warn"><h2>Read this first</h2><ul>{warnings}</ul></section>' if warnings else ""
    measured = "".join(_details(r) for r in results.rows if r.figures)
    values = {
        "started": when(results),
        "mode": results.mode,
        "version": results.fer_edge,
        "warnings": Markup(found),
        "tables": Markup("".join(_table(t, f"table{i}") for i, t in enumerate(tables_of(results)))),
        "pictures": Markup("".join(_picture(p) for p in pictures)),
        "rules": _rules(results),
        "details": Markup(measured or "<p>Nothing was measured.</p>"),
        "environment": Markup(_pairs(about(results), "The machine and its software")),
    }
    return Template.read(__package__, "page.html").fill(values)


def _table(table: Table, name: str) -> str:
    heading = f'<section><h2 id="{name}">{escape(table.title)}</h2>'
    if not table.rows:
        return f"{heading}<p>Nothing was measured.</p></section>"
    head = "".join(f'<th scope="col"{_flush(column)}>{escape(column)}</th>' for column in table.rows[0])
    body = ""
    for row, marked in zip(table.rows, table.marks, strict=True):
        (_, first), *others = row.items()
        cells = "".join(f"<td{_flush(column)}>{escape(text)}</td>" for column, text in others)
        body += (
            f'<tr{" class=marked" if marked else ""}><th scope="row">{escape(first)}{_badge(marked)}</th>{cells}</tr>'
        )
    note = f"<p>{escape(table.note)}</p>" if table.note else ""
    return (
        f'{heading}<div class="scroll" role="region" tabindex="0" aria-labelledby="{name}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{note}</section>"
    )


def _badge(mark: str) -> str:
    return f' <span class="badge">{escape(mark)}</span>' if mark else ""


def _flush(column: str) -> str:
    if any(word in column.split() for word in NUMBERS):
        return " class=number"
    return " class=words" if column in WORDS else ""


def _picture(picture: Picture) -> str:
    title, text = escape(picture.title), escape(picture.text)
    if picture.path is None:
        return f"<figure><h3>{title}</h3><p>Not drawn: {text}.</p></figure>"
    return f'<figure><h3>{title}</h3><img src="{data_uri(picture.path, "image/png")}" alt="{text}"></figure>'


def _details(row: ResultRow) -> str:
    said = [*marks_of(row), *row.warnings]
    warnings = f"<ul>{''.join(f'<li>{escape(w)}</li>' for w in said)}</ul>" if said else ""
    table = _pairs(details(row), f"Details of {label(row)}")
    return f"<details><summary>{escape(label(row))}</summary>{warnings}{table}</details>"


def _pairs(pairs: Sequence[tuple[str, str]], name: str) -> str:
    rows = "".join(f'<tr><th scope="row">{escape(k)}</th><td>{escape(v)}</td></tr>' for k, v in pairs)
    return (
        f'<div class="scroll pairs" role="region" tabindex="0" aria-label="{escape(name)}"><table>{rows}</table></div>'
    )


def _rules(results: Results) -> str:
    rules = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in results.rules.items())
    return f" Rules of this run: {rules}." if rules else ""
