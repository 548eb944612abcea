"""The two published plots: expressions over time, and their distribution."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bundle import writing
from ...errors import MissingExtra
from ...language import tr
from ..storage.session import Session
from ..storage.session_tables import session_shares
from ..types import Observation
from ..vision.quality_gate import UNSUITABLE
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
    gap_s = longest_gap([time_s for _, time_s, _ in session.frames()])
    _draw_ribbons(ribbons, seen, gap_s)
    _draw_curves(curves, [o for o in seen if not o.reason], session.labels, gap_s)
    unread = [UNSUITABLE] if any(o.reason for o in seen) else []
    handles = [_patch(label) for label in [*session.labels, UNCERTAIN, *unread]]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=9)
    _save(figure, path)


def plot_distribution(session: Session, path: Path) -> None:
    """PNG: a pie of how long each expression was shown; of pictures, on how many faces."""
    shares = session_shares(session).expressions
    figure = figure_class()(figsize=(5.2, 5.2), layout="constrained")
    axes = figure.subplots()
    axes.set_title(tr("Share of faces by expression") if session.still else tr("Share of time by expression"))
    if shares:
        names = [f"{tr(label)}\n{share:.0%}" if share >= 0.03 else "" for label, share in shares.items()]
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
        axes.text(0.5, 0.5, tr("no face was seen"), ha="center", transform=axes.transAxes)
        axes.set_axis_off()
    _save(figure, path)


def longest_gap(times: Sequence[float]) -> float:
    """Seconds without an observation that are no break: half a second, or three frames of a source that is slower."""
    steps = np.diff(times)
    return max(0.5, 3 * float(np.median(steps))) if len(steps) else 0.5


def segments(seen: Sequence[Observation], gap_s: float) -> list[tuple[float, float, str]]:
    """Stretches (start, length, label) in which one track showed one label without a break longer than `gap_s`.

    One that another follows without a break lasts until that begins: there is no time between two frames.
    """
    found: list[tuple[float, float, str]] = []
    for o in seen:
        joined = bool(found) and o.time_s - (found[-1][0] + found[-1][1]) <= gap_s
        if joined:
            start, _, label = found[-1]
            found[-1] = (start, o.time_s - start, label)
        if not joined or found[-1][2] != o.label:
            found.append((o.time_s, 0.0, o.label))
    return [(start, max(length, gap_s / 4), label) for start, length, label in found]


def _draw_ribbons(axes: Any, seen: Sequence[Observation], gap_s: float) -> None:
    by_track: dict[int, list[Observation]] = defaultdict(list)
    for o in seen:
        by_track[o.track].append(o)
    longest = [n for n, _ in Counter({n: len(v) for n, v in by_track.items()}).most_common(MAX_TRACKS)]
    shown = sorted(longest)
    for row, number in enumerate(shown):
        for start, length, label in segments(by_track[number], gap_s):
            axes.broken_barh([(start, length)], (row - 0.4, 0.8), facecolors=hex_of(label))
    more = len(by_track) - len(shown)
    axes.set_yticks(range(len(shown)), [tr("face {number}", number=n) for n in shown])
    left = " " + tr("({more} shorter tracks not drawn)", more=more) if more else ""
    axes.set_title(tr("Expressions over time") + left)
    axes.invert_yaxis()


def _draw_curves(axes: Any, seen: Sequence[Observation], labels: Sequence[str], gap_s: float) -> None:
    axes.set(xlabel=tr("seconds"), ylabel=tr("mean probability"), ylim=(0, 1))
    axes.grid(alpha=0.25)
    if not seen:
        return
    times, means = curves(seen, gap_s)
    for i, label in enumerate(labels):
        axes.plot(times, means[:, i], color=hex_of(label), linewidth=1.8, marker="." if len(times) < 12 else "")


def curves(seen: Sequence[Observation], gap_s: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean probabilities over all faces at up to BINS moments: seconds (N,), values (N, labels); NaN breaks the line.

    Frames are put together by their count, not by their times: bins of equal time alias with the frames' own rhythm,
    and some stay empty where nothing is missing.
    """
    times, which = np.unique([o.time_s for o in seen], return_inverse=True)
    values = np.array([o.probabilities for o in seen])
    means = np.stack([np.bincount(which, column) for column in values.T], axis=1) / np.bincount(which)[:, None]
    each = -(-len(times) // BINS)
    points: list[tuple[float, NDArray[np.float64]]] = []
    for run in np.split(np.arange(len(times)), np.flatnonzero(np.diff(times) > gap_s) + 1):
        if points:
            points.append((points[-1][0], np.full(values.shape[1], np.nan)))
        points += [
            (times[run[i : i + each]].mean(), means[run[i : i + each]].mean(0)) for i in range(0, len(run), each)
        ]
    return np.array([t for t, _ in points]), np.stack([row for _, row in points])


def _patch(label: str) -> Any:
    from matplotlib.patches import Patch

    return Patch(color=hex_of(label), label=tr(label))


def _save(figure: Any, path: Path) -> None:
    with writing(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
