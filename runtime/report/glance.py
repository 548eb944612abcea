"""The page's first sheet, read in a minute: who, how long, how much was usable, five figures, what to doubt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...language import tr
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
        who = escaped(named(record.lane.who))
        rows.append(f"<tr><th scope=row>{who}</th>{''.join(f'<td>{c}</td>' for c in cells)}</tr>")
    return Markup("".join(rows))


def head_cells() -> Markup:
    """The head of these columns, each with what it says."""
    cells = (f'<th scope="col" title="{escaped(tr(words))}">{escaped(tr(name))}</th>' for name, words in FIVE.values())
    return Markup("".join(cells))


def meanings() -> Markup:
    """What the five say, in words."""
    return Markup(
        "".join(f"<dt>{escaped(tr(name))}</dt><dd>{escaped(tr(words))}</dd>" for name, words in FIVE.values())
    )


def effect_cells() -> Markup:
    """The head of the figures in which the resting face's effect is told."""
    return Markup("".join(f'<th scope="col">{escaped(tr(name))}</th>' for name in EFFECT.values()))


def resting_rows(records: Sequence[PersonRecord]) -> Markup:
    """Two rows a person: read without taking the resting face off, and with."""
    rows = []
    for record in records[:MAX_PEOPLE]:
        for how in ("put_back", "taken_off") if record.resting else ():
            cells = "".join(f"<td>{_told(getattr(record.resting, how), key)}</td>" for key in EFFECT)
            words = tr("as seen") if how == "put_back" else tr("resting face taken off")
            rows.append(f"<tr><th scope=row>{escaped(named(record.lane.who))}</th><td>{words}</td>{cells}</tr>")
    return Markup("".join(rows))


def named(who: str) -> str:
    """A person as the page calls them: a subject's code as it is, `face 3` in the reader's language."""
    number = who.removeprefix("face ")
    return tr("face {number}", number=number) if who != number and number.isdigit() else who


def _told(figures: Figures, key: tuple[str, str]) -> Markup:
    return number(figures.estimates[key]) if key in figures.estimates else Markup("-")


def weak_lines(measured: Mapping[str, Any] | None) -> Markup:
    """What the model is bad at, from its own measurement, which the session keeps; empty where it does not."""
    per_label: Mapping[str, Mapping[str, float]] = (measured or {}).get("per_label", {})
    if not measured or not per_label:
        return Markup("")
    worst = sorted((v["precision"], label) for label, v in per_label.items())[:WEAKEST]
    missed = sorted((v["recall"], label) for label, v in per_label.items())[:WEAKEST]
    lines = [
        _weak(tr("Of 100 faces that it calls {label}, {count} are."), label, p) for p, label in worst if p < DOUBTFUL
    ]
    lines += [
        _weak(tr("Of 100 faces that are {label}, it finds {count}."), label, r)
        for r, label in missed
        if r < DOUBTFUL + 0.05
    ]
    where = tr("Measured on {set}, {images} pictures.", set=measured.get("set", "?"), images=f"{_images(measured):,}")
    note = tr(
        "How often it is right depends on how common an expression is; on other people, light and angles it errs more."
    )
    return Markup(f"<ul>{''.join(lines)}</ul><p>{escaped(f'{where} {note}')}</p>")


def _weak(sentence: str, label: str, share: float) -> str:
    return f"<li>{escaped(sentence).format(label=f'<b>{escaped(tr(label))}</b>', count=f'{100 * share:.0f}')}</li>"


def _images(measured: Mapping[str, Any]) -> int:
    return int(measured.get("images", 0))


def percent(e: Estimate) -> Markup:
    """As `83 %`, its interval below."""
    if e.value is None:
        return Markup("-")
    span = _span(f"{e.low:.0%}", f"{e.high:.0%}") if e.low is not None and e.high is not None else ""
    return Markup(f"{e.value:.0%}{span}")


def number(e: Estimate) -> Markup:
    """To two decimals, its interval below."""
    if e.value is None:
        return Markup("-")
    span = _span(_two(e.low), _two(e.high)) if e.low is not None and e.high is not None else ""
    return Markup(f"{_two(e.value)}{span}")


def _span(low: str, high: str) -> str:
    return f"<small>{escaped(tr('{low} to {high}', low=low, high=high))}</small>"


def _two(value: float) -> str:
    """Never -0.00."""
    return f"{round(value, 2) + 0.0:.2f}"
