"""A results folder: the results themselves first, then what people look at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...bundle import write_text
from ...errors import MissingExtra
from ...runtime.report.plots import figure_class
from ..results.results import Results, save_results
from .canvas import Drawing, save
from .latency_plots import draw_distribution, draw_over_time, draw_stages
from .markdown import markdown, write_csv
from .page import Picture, render
from .trade_plots import draw_accuracy, draw_prices

PLOTS: dict[str, tuple[str, Callable[[Results], Drawing | str]]] = {
    "latency.png": ("Latency distribution", draw_distribution),
    "over_time.png": ("Latency over the run", draw_over_time),
    "stages.png": ("Stages of the pipeline", draw_stages),
    "accuracy.png": ("Accuracy against latency", draw_accuracy),
    "price.png": ("Price against speed", draw_prices),
}
"""File -> title, and what draws it or says why it cannot."""


def write_report(folder: Path, results: Results) -> list[Path]:
    """Write results.json, results.csv, results.md and, where matplotlib is installed, the plots and report.html.

    Each file is written in one step and results.json first, so that a full disk or Ctrl-C in between leaves the
    measured rows whole. It may be called again whenever a row is finished; `notice` says what was left out.

    Raises OutputError: the folder cannot be written, or is full.
    """
    made = [folder / name for name in ("results.json", "results.csv", "results.md")]
    save_results(made[0], results)
    write_csv(made[1], results)
    write_text(made[2], markdown(results))
    if notice():
        return made
    pictures = []
    for name, (title, draw) in PLOTS.items():
        drawn = draw(results)
        path = folder / name
        if isinstance(drawn, str):
            path.unlink(missing_ok=True)  # of a run before
            pictures.append(Picture(title, None, drawn))
        else:
            save(drawn.figure, path)
            made.append(path)
            pictures.append(Picture(title, path, drawn.alt))
    page = folder / "report.html"
    write_text(page, render(results, pictures))
    return [*made, page]


def notice() -> str:
    """Why a report has no page and no plots; empty where it has."""
    try:
        figure_class()
    except MissingExtra as error:
        return f"No page and no plots: {error.message} ({error.hint})."
    return ""
