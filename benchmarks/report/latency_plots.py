"""Latencies: how they are distributed, how they went over the run, and where a pipeline's go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..results.metrics import half_medians_ms
from ..results.results import ResultRow, Results
from .canvas import COLORS, Drawing, is_wide, literal, name_of, new_figure, plain_ticks
from .tables import label

MAX_RIDGES, MAX_PANELS = 16, 10
"""Rows drawn in one plot; the first ones, and the title says how many more there are."""
BINS, WIDE_BINS, SLICES = 120, 400, 100
MARKS = {"p50": "o", "p90": "^", "p99": "s"}
STAGES = ("capture", "detect", "crop", "infer", "smooth", "publish")
REST = "between the stages"


def draw_distribution(results: Results) -> Drawing | str:
    """A histogram a row, one below the other, with p50, p90 and p99; a logarithmic axis where the range is wide."""
    rows = [r for r in results.rows if r.figures]
    if not rows:
        return "no row was measured"
    shown = rows[:MAX_RIDGES]
    figure = new_figure(1.3 + 0.62 * len(shown))
    axes = figure.subplots()
    low, high = (f(r.figures[k] for r in shown) for f, k in ((min, "min_ms"), (max, "max_ms")))
    wide = is_wide(low, high)
    low, high = max(low * 0.98, 1e-6), high * 1.02
    edges = np.geomspace(low, high, WIDE_BINS) if wide else np.linspace(low, high, BINS)
    for place, row in enumerate(shown):
        _ridge(axes, len(shown) - 1 - place, row, edges)
    for name, marker in MARKS.items():
        axes.plot([], [], marker, color="black", label=name)
    axes.set(xlabel="ms a query" + (" (logarithmic)" if wide else ""), yticks=[], ylim=(-0.25, len(shown)))
    if wide:
        axes.set_xscale("log")
        plain_ticks(axes.xaxis)
    axes.set_xlim(low, high)
    axes.grid(axis="x", alpha=0.25)
    axes.set_title("Latencies" + _more(rows, shown))
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    said = "; ".join(f"{label(r)} {r.figures['p50_ms']:.4g}, {r.figures['p99_ms']:.4g}" for r in shown)
    return Drawing(figure, f"Histograms of the latencies. Median and p99 in ms: {said}.")


def draw_over_time(results: Results) -> Drawing | str:
    """A panel a row: median and the middle 80 % of the latencies in slices of the run, to show drift."""
    rows = [r for r in results.rows if r.figures]
    if not rows:
        return "no row was measured"
    shown = rows[:MAX_PANELS]
    figure = new_figure(0.7 + 1.15 * len(shown))
    for row, (axes,) in zip(shown, figure.subplots(len(shown), 1, squeeze=False), strict=True):
        seconds, values = slices(row.samples_ns)
        axes.fill_between(seconds, values[0], values[2], color=COLORS[4], alpha=0.5, linewidth=0)
        axes.plot(seconds, values[1], color=COLORS[0], linewidth=1.4, marker="." if len(seconds) < 12 else "")
        axes.set_title(literal(name_of(row)), loc="left", fontsize=9)
        axes.set_ylabel("ms", fontsize=9)
        axes.grid(alpha=0.25)
    axes.set_xlabel("seconds of measuring; line: median, band: 10 to 90 %")
    figure.suptitle("Latencies over the run" + _more(rows, shown))
    return Drawing(figure, f"Latencies over the run. {'; '.join(f'{label(r)}: {_halves(r)}' for r in shown)}.")


def draw_stages(results: Results) -> Drawing | str:
    """A stacked bar a pipeline row: the mean time of each stage, because means add up and medians do not."""
    rows = [r for r in results.rows if r.stages]
    if not rows:
        return "no row of the scope pipeline was measured"
    shown = rows[:MAX_RIDGES]
    figure = new_figure(1.5 + 0.62 * len(shown))
    axes = figure.subplots()
    parts = [stage_means(r) for r in shown]
    names = sorted({s for p in parts for s in p}, key=lambda s: (STAGES.index(s) if s in STAGES else 99, s == REST, s))
    for place, (row, part) in enumerate(zip(shown, parts, strict=True)):
        y, left = len(shown) - 1 - place, 0.0
        for index, name in enumerate(names):
            style = {"color": COLORS[index % len(COLORS)], "edgecolor": "white", "height": 0.5}
            axes.barh(y, part.get(name, 0.0), left=left, label="" if place else literal(name), **style)
            left += part.get(name, 0.0)
        _name_above(axes, y, f"{name_of(row)}: {left:.4g} ms")
    axes.set(xlabel="mean ms a frame", yticks=[], ylim=(-0.4, len(shown) - 0.1))
    axes.set_title("Where a frame's time goes" + _more(rows, shown))
    figure.legend(loc="outside lower center", ncols=4, frameon=False)
    said = (f"{label(r)}: {', '.join(f'{s} {v:.3g}' for s, v in p.items())}" for r, p in zip(shown, parts, strict=True))
    return Drawing(figure, f"Mean time of each stage in ms. {'; '.join(said)}.")


def stage_means(row: ResultRow) -> dict[str, float]:
    """Mean ms of each stage, and what of the whole frame's mean is in none of them, if that is over 1 %."""
    means = {s: float(f["mean_ms"]) for s, f in row.stages.items()}
    rest = row.figures.get("mean_ms", 0.0) - sum(means.values())
    return {**means, **({REST: rest} if rest > 0.01 * sum(means.values()) else {})}


def slices(samples_ns: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Middle times in seconds (S,), and p10, p50 and p90 in ms (3, S), of up to SLICES stretches of the run."""
    ms = np.asarray(samples_ns, np.float64) / 1e6
    ends = np.cumsum(ms) / 1e3
    parts = np.array_split(np.arange(len(ms)), min(SLICES, max(1, len(ms) // 5)))
    values = np.array([np.percentile(ms[part], (10, 50, 90)) for part in parts]).T
    return np.array([ends[part].mean() for part in parts]), values


def _ridge(axes: Any, y: int, row: ResultRow, edges: NDArray[np.float64]) -> None:
    count, _ = np.histogram(np.asarray(row.samples_ns, np.float64) / 1e6, edges)
    height = 0.55 * count / max(1, count.max())
    axes.stairs(height + y, edges, baseline=y, fill=True, color=COLORS[4], edgecolor=COLORS[0], linewidth=0.8)
    for name, marker in MARKS.items():
        axes.plot(row.figures[f"{name}_ms"], y, marker, color="black", markeredgecolor="white", clip_on=False)
    _name_above(axes, y + 0.3, name_of(row))


def _name_above(axes: Any, y: float, text: str) -> None:
    axes.text(0.01, y + 0.3, literal(text), transform=axes.get_yaxis_transform(), fontsize=9, va="bottom")


def _more(rows: Sequence[ResultRow], shown: Sequence[ResultRow]) -> str:
    return f" ({len(rows) - len(shown)} more rows not drawn)" if len(rows) > len(shown) else ""


def _halves(row: ResultRow) -> str:
    first, second = half_medians_ms(row.samples_ns)
    return f"median {first:.4g} ms in the first half, {second:.4g} ms in the second"
