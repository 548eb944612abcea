"""The report as one HTML file that needs no network and nothing beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from ...runtime.report.report import data_uri
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
    return _PAGE.format(
        started=escape(when(results)),
        mode=escape(results.mode),
        version=escape(results.fer_edge),
        warnings=f'<section class="warn"><h2>Read this first</h2><ul>{warnings}</ul></section>' if warnings else "",
        tables="".join(_table(t, f"table{i}") for i, t in enumerate(tables_of(results))),
        pictures="".join(_picture(p) for p in pictures),
        rules=escape(_rules(results)),
        details="".join(_details(r) for r in results.rows if r.figures) or "<p>Nothing was measured.</p>",
        environment=_pairs(about(results), "The machine and its software"),
    )


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


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>fer-edge benchmark, {started}</title>
<style>
:root {{ color-scheme: light dark; --ink: #222; --paper: #fff; --line: #ccc; --soft: #f3f4f6; --mark: #fff0c9; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: #e6e6e6; --paper: #16181c; --line: #444; --soft: #22252b; --mark: #4a3a10; }}
}}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 1.5rem auto; padding: 0 1rem;
  color: var(--ink); background: var(--paper); }}
h1, li, p, figure {{ overflow-wrap: anywhere; }}
h1 {{ line-height: 1.2; }} h2 {{ margin-top: 2rem; }} h3 {{ margin: .5rem 0; }}
.scroll {{ overflow-x: auto; border: 1px solid var(--line); border-radius: .4rem; }}
.scroll:focus-visible, summary:focus-visible {{ outline: 3px solid #0072b2; }}
table {{ border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .35rem .7rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line);
  white-space: nowrap; }}
thead th {{ background: var(--soft); vertical-align: bottom; white-space: normal; }}
tbody th, details th {{ font-weight: 600; }}
td.words, .pairs td {{ white-space: normal; overflow-wrap: anywhere; }}
.number {{ text-align: right; }} td.words {{ min-width: 12rem; }}
.badge {{ border: 1px solid #d55e00; border-radius: .3rem; padding: 0 .3rem; font-size: .8em; white-space: nowrap; }}
.marked > * {{ background: var(--mark); }}
.marked th {{ border-left: .35rem solid #d55e00; }}
.warn {{ border-left: .35rem solid #d55e00; background: var(--mark); padding: .1rem 1rem; }}
.warn h2 {{ margin: .6rem 0 0; font-size: 1.1rem; }}
.plots {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1rem; }}
figure {{ margin: 0; }} img {{ width: 100%; max-width: 42rem; height: auto; background: #fff; border-radius: .4rem; }}
details {{ margin: .4rem 0; }} summary {{ cursor: pointer; padding: .3rem 0; overflow-wrap: anywhere; }}
</style></head><body>
<main>
<h1>Benchmark of {started}</h1>
<p>Mode: {mode}. Written by fer-edge {version}.</p>
{warnings}
{tables}
<section><h2>Plots</h2><div class="plots">{pictures}</div></section>
<section><h2>How it was measured</h2>
<p>As in MLPerf's scenario SingleStream: one picture at a time, the next query when the last one is answered, after a
warm-up, every latency kept. The scope model is inference with its copies; the scope pipeline is a clip from capture to
publishing. A percentile is a latency that was measured, at index floor(n x share) of the ascending ones, as MLPerf's
LoadGen takes it. Frames per second are derived from the mean. An empty cell was not measured.{rules}</p></section>
<section><h2>Details of each measurement</h2>{details}</section>
<section><h2>Environment</h2>{environment}</section>
</main></body></html>
"""
