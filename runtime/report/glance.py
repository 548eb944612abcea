"""The page's first sheet, read in a minute: who, how long, how much was usable, five figures, what to doubt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..figures.figures import Estimate, Figures
from ..figures.record import PersonRecord
from ..html import Markup, escaped

FIVE = {
    "valence_index": ("Valence index", "-1 to 1: time with happy less time with angry, contempt, disgust, fear, sad"),
    "expressivity": ("Expressivity", "0 to 1: how far from neutral; low is flat"),
    "entropy": ("Variety", "0: one expression all the time; 1: all for as long"),
    "change": ("Change", "0 to 1: by how much it differs from second to second"),
    "transitions_per_minute": ("Transitions", "changes of expression in a minute"),
}
"""Figure -> its name on the page and what it says; docs/session-figures.md has the formulas."""
EFFECT = {
    ("share", "neutral"): "Time neutral",
    **{(name, ""): FIVE[name][0] for name in ("valence_index", "expressivity")},
}
"""Figures in which the resting face's effect is told."""
WEAKEST = 3
"""Labels that are told of the worst."""
MAX_PEOPLE = 8
"""Rows of the first sheet; the others are in figures.json."""
DOUBTFUL = 0.8
"""Below this share of right answers a label is worth a warning."""


def people_rows(records: Sequence[PersonRecord]) -> Markup:
    """A row a person: how much of the session could be read, and five figures with their intervals."""
    rows = []
    for record in records[:MAX_PEOPLE]:
        found = record.figures.estimates
        cells = [percent(found["coverage", ""]), *(number(found[name, ""]) for name in FIVE)]
        rows.append(f"<tr><th scope=row>{escaped(record.lane.who)}</th>{''.join(f'<td>{c}</td>' for c in cells)}</tr>")
    return Markup("".join(rows))


def head_cells() -> Markup:
    """The head of these columns, each with what it says."""
    return Markup("".join(f'<th scope="col" title="{words}">{name}</th>' for name, words in FIVE.values()))


def meanings() -> Markup:
    """What the five say, in words."""
    return Markup("".join(f"<dt>{name}</dt><dd>{words}</dd>" for name, words in FIVE.values()))


def effect_cells() -> Markup:
    """The head of the figures in which the resting face's effect is told."""
    return Markup("".join(f'<th scope="col">{name}</th>' for name in EFFECT.values()))


def resting_rows(records: Sequence[PersonRecord]) -> Markup:
    """Two rows a person: read without taking the resting face off, and with."""
    rows = []
    for record in records[:MAX_PEOPLE]:
        for how in ("put_back", "taken_off") if record.resting else ():
            cells = "".join(f"<td>{_told(getattr(record.resting, how), key)}</td>" for key in EFFECT)
            words = "as seen" if how == "put_back" else "resting face taken off"
            rows.append(f"<tr><th scope=row>{escaped(record.lane.who)}</th><td>{words}</td>{cells}</tr>")
    return Markup("".join(rows))


def _told(figures: Figures, key: tuple[str, str]) -> Markup:
    return number(figures.estimates[key]) if key in figures.estimates else Markup("-")


def weak_lines(measured: Mapping[str, Any] | None) -> Markup:
    """What the model is bad at, from its own measurement, which the session keeps; empty where it does not."""
    per_label: Mapping[str, Mapping[str, float]] = (measured or {}).get("per_label", {})
    if not measured or not per_label:
        return Markup("")
    worst = sorted((v["precision"], label, v) for label, v in per_label.items())[:WEAKEST]
    missed = sorted((v["recall"], label) for label, v in per_label.items())[:WEAKEST]
    lines = [
        f"<li>Of 100 faces that it calls <b>{escaped(label)}</b>, {100 * p:.0f} are.</li>"
        for p, label, v in worst
        if p < DOUBTFUL
    ]
    lines += [
        f"<li>Of 100 faces that are <b>{escaped(label)}</b>, it finds {100 * r:.0f}.</li>"
        for r, label in missed
        if r < DOUBTFUL + 0.05
    ]
    where = f"{escaped(str(measured.get('set', '?')))}, {int(measured.get('images', 0)):,} pictures"
    note = (
        "How often it is right depends on how common an expression is; on other people, light and angles it errs more."
    )
    return Markup(f"<ul>{''.join(lines)}</ul><p>Measured on {where}. {note}</p>")


def percent(e: Estimate) -> Markup:
    """As `83 %`, its interval below."""
    if e.value is None:
        return Markup("-")
    span = f"<small>{e.low:.0%} to {e.high:.0%}</small>" if e.low is not None and e.high is not None else ""
    return Markup(f"{e.value:.0%}{span}")


def number(e: Estimate) -> Markup:
    """To two decimals, its interval below."""
    if e.value is None:
        return Markup("-")
    span = f"<small>{_two(e.low)} to {_two(e.high)}</small>" if e.low is not None and e.high is not None else ""
    return Markup(f"{_two(e.value)}{span}")


def _two(value: float) -> str:
    """Never -0.00."""
    return f"{round(value, 2) + 0.0:.2f}"
