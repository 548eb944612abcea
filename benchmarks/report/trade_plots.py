"""What is traded for what: accuracy for latency, money for frames."""

from __future__ import annotations

from typing import Any

from ..results.results import ResultRow, Results
from .canvas import Drawing, Mark, draw_marks, is_wide, name_of, new_figure, plain_ticks, shortened

MAX_MARKS = 14
"""Marks whose names fit below a plot."""
MIN_SPAN = 0.05
"""Of the axis of accuracy: less would make chance look like a difference."""


def draw_accuracy(results: Results) -> Drawing | str:
    """Accuracy against the median latency; rows that the processor or a simulator ran are left out."""
    rows = [r for r in results.rows if r.figures and _own(r) and "accuracy" in r.accuracy]
    if not rows:
        return "no measured row has an accuracy"
    shown = [Mark(r.figures["p50_ms"], float(r.accuracy["accuracy"]), name_of(r), r.device) for r in rows[:MAX_MARKS]]
    figure = new_figure(3.2 + 0.2 * len(shown))
    axes = figure.subplots()
    handles = draw_marks(axes, shown)
    _wide_axis(axes.xaxis, axes.set_xscale, [m.x for m in shown])
    axes.set(xlabel="p50 in ms", ylabel="accuracy", title="Accuracy against latency")
    axes.margins(0.15)
    low, high = axes.get_ylim()
    missing = max(0.0, MIN_SPAN - (high - low)) / 2
    axes.set_ylim(low - missing, high + missing)
    figure.legend(handles=handles, loc="outside lower left", frameon=False, fontsize=9)
    said = "; ".join(f"{m.name}: {m.y:.4f} at {m.x:.4g} ms" for m in shown)
    sets = sorted({str(r.accuracy["set"]) for r in rows if r.accuracy.get("set")})
    on = f" on {', '.join(sets)}" if sets else ""
    return Drawing(figure, f"Accuracy{on} against median latency. {said}.{_unshown(len(rows))}")


def draw_prices(results: Results) -> Drawing | str:
    """Frames per second against the device's price: filled what was measured here, hollow what was only published."""
    from matplotlib.lines import Line2D

    marks = price_marks(results)
    if not marks:
        return "no device with a known price was measured, and none of them has a published figure"
    shown = marks[:MAX_MARKS]
    figure = new_figure(3.8 + 0.2 * len(shown))
    axes = figure.subplots()
    handles = draw_marks(axes, shown)
    _wide_axis(axes.yaxis, axes.set_yscale, [m.y for m in shown])
    axes.set(xlabel="US dollars", ylabel="frames per second (derived)")
    axes.margins(0.15)
    style: dict[str, Any] = {"marker": "o", "linestyle": "", "color": "black"}
    kinds = [Line2D([], [], label="measured here", **style)]
    kinds += [Line2D([], [], label="published, not measured here", markerfacecolor="none", **style)]
    figure.suptitle("Price against speed")
    axes.legend(handles=kinds, fontsize=9, loc="lower left", bbox_to_anchor=(0, 1), frameon=False, ncols=2)
    figure.legend(handles=handles, loc="outside lower left", frameon=False, fontsize=9)
    said = "; ".join(f"{m.name}, ${m.x:g}: {m.y:.4g}, {'measured' if m.filled else 'published'}" for m in shown)
    return Drawing(figure, f"Frames per second against price. {said}.{_unshown(len(marks))}")


def price_marks(results: Results) -> list[Mark]:
    """Measured ones first, without what the processor or a simulator did: that was not the device with this price."""
    rows = [r for r in results.rows if r.price_usd and r.scope == "model"]
    measured = [r for r in rows if r.figures and _own(r)]
    marks = [Mark(r.price_usd, r.figures["fps"], name_of(r), r.device) for r in measured]
    for r in rows:
        if r.published.get("fps"):
            name = shortened(f"{r.device} {r.model}, published")
            marks.append(Mark(r.price_usd, float(r.published["fps"]), name, r.device, filled=False))
    return list(dict.fromkeys(marks))


def _own(row: ResultRow) -> bool:
    """Whether the device that the row names did the work."""
    return not (row.degraded or row.simulated)


def _wide_axis(axis: Any, set_scale: Any, values: list[float]) -> None:
    if is_wide(min(values), max(values)):
        set_scale("log")
        plain_ticks(axis)


def _unshown(number: int) -> str:
    return f" {number - MAX_MARKS} more not drawn." if number > MAX_MARKS else ""
