"""The two published plots: expressions over time, and their distribution."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...bundle import writing
from ...errors import MissingExtra
from ..storage.session import Session
from ..storage.session_tables import distribution
from ..types import Observation
from ..vision.smoothing import UNCERTAIN
from .colors import hex_of

MAX_TRACKS = 8
"""Ribbons in the timeline; the longest tracks are shown."""
BINS = 240
"""Points of the probability curves; longer sessions are averaged."""


def figure_class() -> Any:
    """matplotlib's Figure, drawn without a screen; raises MissingExtra."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("matplotlib", "report") from None
    return Figure


def plot_timeline(session: Session, path: Path) -> None:
    """PNG: above, what was shown for each face; below, the average probability of each expression over time."""
    seen = list(session.observations())
    figure = figure_class()(figsize=(10, 5.2), layout="constrained")
    ribbons, curves = figure.subplots(2, 1, sharex=True, height_ratios=[1, 1.6])
    _draw_ribbons(ribbons, seen)
    _draw_curves(curves, seen, session.labels)
    handles = [_patch(label) for label in [*session.labels, UNCERTAIN]]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=9)
    _save(figure, path)


def plot_distribution(session: Session, path: Path) -> None:
    """PNG: a pie of how often each expression was shown."""
    shares = distribution(session)
    figure = figure_class()(figsize=(5.2, 5.2), layout="constrained")
    axes = figure.subplots()
    axes.set_title("Share of observations by expression")
    if shares:
        names = [f"{label}\n{share:.0%}" if share >= 0.03 else "" for label, share in shares.items()]
        edge = {"edgecolor": "white", "linewidth": 1.5}
        axes.pie(
            list(shares.values()),
            labels=names,
            colors=[hex_of(s) for s in shares],
            startangle=90,
            counterclock=False,
            wedgeprops=edge,
        )
    else:
        axes.text(0.5, 0.5, "no face was seen", ha="center", transform=axes.transAxes)
        axes.set_axis_off()
    _save(figure, path)


def segments(seen: Sequence[Observation], gap_s: float) -> list[tuple[float, float, str]]:
    """Stretches (start, length, label) in which one track showed one label without a break longer than `gap_s`."""
    found: list[tuple[float, float, str]] = []
    for o in seen:
        if found and found[-1][2] == o.label and o.time_s - (found[-1][0] + found[-1][1]) <= gap_s:
            start, _, label = found[-1]
            found[-1] = (start, o.time_s - start, label)
        else:
            found.append((o.time_s, 0.0, o.label))
    return [(start, max(length, gap_s / 4), label) for start, length, label in found]


def _draw_ribbons(axes: Any, seen: Sequence[Observation]) -> None:
    by_track: dict[int, list[Observation]] = defaultdict(list)
    for o in seen:
        by_track[o.track].append(o)
    longest = [n for n, _ in Counter({n: len(v) for n, v in by_track.items()}).most_common(MAX_TRACKS)]
    shown = sorted(longest)
    for row, number in enumerate(shown):
        for start, length, label in segments(by_track[number], gap_s=0.5):
            axes.broken_barh([(start, length)], (row - 0.4, 0.8), facecolors=hex_of(label))
    more = len(by_track) - len(shown)
    axes.set_yticks(range(len(shown)), [f"face {n}" for n in shown])
    axes.set_title("Expressions over time" + (f" ({more} shorter tracks not drawn)" if more else ""))
    axes.invert_yaxis()


def _draw_curves(axes: Any, seen: Sequence[Observation], labels: Sequence[str]) -> None:
    axes.set(xlabel="seconds", ylabel="mean probability", ylim=(0, 1))
    axes.grid(alpha=0.25)
    if not seen:
        return
    times = np.array([o.time_s for o in seen])
    values = np.array([o.probabilities for o in seen])
    edges = np.linspace(times[0], times[-1] + 1e-6, min(BINS, len(set(times.tolist()))) + 1)
    which = np.clip(np.digitize(times, edges) - 1, 0, len(edges) - 2)
    count = np.bincount(which, minlength=len(edges) - 1)
    middle = (edges[:-1] + edges[1:]) / 2
    for i, label in enumerate(labels):
        total = np.bincount(which, weights=values[:, i], minlength=len(edges) - 1)
        mean = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
        axes.plot(middle, mean, color=hex_of(label), linewidth=1.8, marker="." if len(edges) < 12 else "")


def _patch(label: str) -> Any:
    from matplotlib.patches import Patch

    return Patch(color=hex_of(label), label=label)


def _save(figure: Any, path: Path) -> None:
    with writing(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
