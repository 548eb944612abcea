"""What the plots share: size, colours, names of rows, saving."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...bundle import writing
from ...runtime.report.plots import figure_class
from ..results.results import ResultRow
from .tables import label, tags_of

WIDTH = 5.2
"""Inches; at matplotlib's 10 point letters a phone in the hand shows them at the size of its own small print."""
DPI = 160
COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#000000")
"""Okabe and Ito's palette, which people with colour blindness can tell apart, the strongest first."""
MAX_LABEL = 52
"""Characters of a row's name that fit above its plot."""


@dataclass(frozen=True)
class Drawing:
    """A figure of matplotlib, and what it shows in words for those who cannot see it."""

    figure: Any
    alt: str


def new_figure(height: float) -> Any:
    """An empty figure of the common width, `height` in inches; raises MissingExtra."""
    return figure_class()(figsize=(WIDTH, height), layout="constrained")


def name_of(row: ResultRow) -> str:
    """A row's name, with DEGRADED and the like behind it."""
    tags = f" [{tags_of(row)}]" if tags_of(row) else ""
    return shortened(label(row), MAX_LABEL - len(tags)) + tags


def shortened(text: str, most: int = MAX_LABEL) -> str:
    """Text of at most so many characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def literal(text: str) -> str:
    """Text that matplotlib shows as it is: in one line, and a dollar begins no formula."""
    return " ".join(text.split()).replace("$", r"\$")


def plain_ticks(axis: Any) -> None:
    """Label a logarithmic axis at 1, 2, 5, 10 … by plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def is_wide(low: float, high: float) -> bool:
    """Whether values need a logarithmic axis."""
    return low > 0 and high / low > 5


@dataclass(frozen=True)
class Mark:
    """A point of a plot: hollow where nothing was measured here."""

    x: float
    y: float
    name: str
    device: str
    filled: bool = True


def draw_marks(axes: Any, marks: Sequence[Mark]) -> list[Any]:
    """Draw numbered marks, one colour a device, and give the handles of their legend."""
    from matplotlib.lines import Line2D

    devices = list(dict.fromkeys(m.device for m in marks))
    handles = []
    for number, mark in enumerate(marks, 1):
        color = COLORS[devices.index(mark.device) % len(COLORS)]
        style = {"marker": "o", "linestyle": "", "color": color, "markersize": 8}
        style["markerfacecolor"] = color if mark.filled else "none"
        axes.plot([mark.x], [mark.y], **style)
        axes.annotate(str(number), (mark.x, mark.y), xytext=(6, 4), textcoords="offset points")
        handles.append(Line2D([], [], label=literal(f"{number}  {mark.name}"), **style))
    axes.grid(alpha=0.25)
    return handles


def save(figure: Any, path: Path) -> None:
    """Write a PNG in one step; raises OutputError."""
    with writing(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a name in a script that the font lacks
        figure.savefig(temporary, dpi=DPI, format="png")
