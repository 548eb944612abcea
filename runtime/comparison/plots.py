"""Two plots: every difference with its interval, and each subject over time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from ...bundle import writing
from ...language import tr
from ..figures.figures import Key
from ..report.colors import hex_of
from ..report.plots import figure_class
from .compare import Comparison
from .contrasts import TREND, WEEK_MS, Contrast
from .sessions import SubjectSession

MAX_PANELS = 24
MAX_SUBJECTS = 8
"""In one plot, which has a colour for each; of more, those with the most sessions."""
LINE = "#444444"


def plot_differences(comparison: Comparison, path: Path) -> None:
    """PNG: a panel for two conditions or groups, a line a figure: the difference, its interval, p after correction."""
    panels: defaultdict[str, list[Contrast]] = defaultdict(list)
    for c in comparison.contrasts:
        if c.kind != TREND:
            inside = f", {tr('in {condition}', condition=c.condition)}" if c.condition else ""
            panels[tr("{b} less {a}", b=c.b, a=c.a) + inside].append(c)
    shown = list(panels.items())[:MAX_PANELS]
    heights = [len(rows) + 2 for _, rows in shown] or [3]
    figure = figure_class()(figsize=(8.5, 0.32 * sum(heights) + 0.6), layout="constrained")
    grid = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (title, rows) in zip(grid, shown, strict=False):
        _draw_differences(axes, title, rows)
    if not shown:
        _say(grid[0], tr("no two conditions or groups had two subjects"))
    _save(figure, path)


def _draw_differences(axes: Any, title: str, rows: Sequence[Contrast]) -> None:
    """Differences over their standard unit would hide what they are: each is in its figure's own, mostly 0 to 1."""
    for y, c in enumerate(rows):
        colour = hex_of(c.label) if c.label else LINE
        if c.low is not None and c.high is not None:
            axes.plot([c.low, c.high], [y, y], color=colour, linewidth=2.5)
        axes.plot(c.estimate, y, "o", color=colour, markeredgecolor=LINE)
        told = tr("no p") if c.p is None else tr("p = {p} corrected", p=f"{c.p_holm:.3f}")
        axes.annotate(told, (1.01, y), xycoords=("axes fraction", "data"), va="center", fontsize=8)
    axes.axvline(0, color=LINE, linewidth=0.8)
    axes.set_yticks(range(len(rows)), [named((c.figure, c.label)) for c in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_title(title, fontsize=10, loc="left")
    axes.grid(axis="x", alpha=0.25)


def plot_trends(comparison: Comparison, path: Path) -> None:
    """PNG: a panel a figure, a colour a subject: each session's value with its interval, and the slope."""
    slopes = [c for c in comparison.contrasts if c.kind == TREND]
    keys = list(dict.fromkeys((c.figure, c.label) for c in slopes))[:MAX_PANELS]
    counts = {code: sum(s.subject == code for s in comparison.sessions) for code in {c.subject for c in slopes}}
    subjects = sorted(sorted(counts, key=lambda code: -counts[code])[:MAX_SUBJECTS])
    columns = min(3, max(1, len(keys)))
    rows = max(1, -(-len(keys) // columns))
    figure = figure_class()(figsize=(4 * columns, 2.6 * rows + 0.5), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(keys) :]:
        axes.set_axis_off()
    for axes, key in zip(grid, keys, strict=False):
        for i, code in enumerate(subjects):
            theirs = [s for s in comparison.sessions if s.subject == code and s.live]
            _draw_subject(axes, theirs, key, f"C{i}")
        for c in slopes:
            if (c.figure, c.label) == key and c.subject in subjects:
                _draw_slope(axes, comparison.sessions, c, f"C{subjects.index(c.subject)}")
        axes.set_title(named(key), fontsize=9)
        axes.tick_params(labelsize=7)
        axes.tick_params(axis="x", rotation=30)
        axes.grid(alpha=0.25)
    if subjects:
        _legend(figure, subjects)
    else:
        _say(grid[0], tr("no subject has three sessions of a camera in one condition"))
    _save(figure, path)


def _draw_subject(axes: Any, sessions: Sequence[SubjectSession], key: Key, colour: str) -> None:
    for s in sessions:
        e = s.estimates[key]
        if e.value is None:
            continue
        if e.low is not None and e.high is not None:
            axes.plot([_date(s.began_ms)] * 2, [e.low, e.high], color=colour, linewidth=1, alpha=0.6)
        axes.plot(_date(s.began_ms), e.value, "o", color=colour, markersize=4)


def _draw_slope(axes: Any, sessions: Sequence[SubjectSession], c: Contrast, colour: str) -> None:
    """Theil's line goes through the median of what it leaves."""
    theirs = [s for s in sessions if (s.subject, s.condition, s.live) == (c.subject, c.condition, True)]
    told = [(s.began_ms, v) for s in theirs if (v := s.estimates[c.figure, c.label].value) is not None]
    times = np.array([t for t, _ in told], float) / WEEK_MS
    height = np.median([v for _, v in told] - c.estimate * times)
    ends = [height + c.estimate * times[0], height + c.estimate * times[-1]]
    axes.plot([_date(told[0][0]), _date(told[-1][0])], ends, color=colour, linewidth=1.5)


def named(key: Key) -> str:
    """As people read it."""
    figure, label = key
    name = tr(figure).replace("_", " ")
    return tr("{figure} of {label}", figure=name, label=tr(label)) if label else name


def _date(wall_ms: int) -> datetime:
    return datetime.fromtimestamp(wall_ms / 1000, timezone.utc)


def _legend(figure: Any, subjects: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=f"C{i}", marker="o", label=code) for i, code in enumerate(subjects)]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=9)


def _say(axes: Any, words: str) -> None:
    axes.text(0.5, 0.5, words, ha="center", transform=axes.transAxes)
    axes.set_axis_off()


def _save(figure: Any, path: Path) -> None:
    with writing(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
