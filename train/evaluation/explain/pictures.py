"""The explanation to look at: maps over each label's mean face, heat by region, deletion curves, layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ....words import counted
from ..evaluation import new_figure, save_figure
from .run import Explanation, OfLabel


def write_pictures(explanation: Explanation, out: Path) -> list[Path]:
    """Write explain_maps.png, explain_regions.png, explain_deletion.png and explain_layers.png; returns their paths."""
    shown = {label: of for label, of in explanation.by_label.items() if of.pictures}
    if not shown:
        return []
    paths = [out / f"explain_{name}.png" for name in ("maps", "regions", "deletion", "layers")]
    _maps(shown, paths[0])
    _regions(explanation.figures, paths[1])
    _deletion(explanation.figures["deletion"], paths[2])
    _layers(explanation.figures["layers"], paths[3])
    return paths


def _maps(shown: dict[str, OfLabel], path: Path) -> None:
    """A row a label: the mean face, and each method's mean map over it."""
    methods = list(next(iter(shown.values())).heats)
    figure = new_figure((2.2 * (1 + len(methods)), 2.2 * len(shown)))
    grid = figure.subplots(len(shown), 1 + len(methods), squeeze=False)
    for row, (label, of) in zip(grid, shown.items(), strict=True):
        assert of.face is not None
        face = (of.face / of.pictures).astype(np.uint8)
        for axes, method in zip(row, ["mean face", *methods], strict=True):
            axes.imshow(face)
            if method != "mean face":
                axes.imshow(of.heats[method], cmap="inferno", alpha=0.55)
            axes.set_xticks([])
            axes.set_yticks([])
            if label == next(iter(shown)):
                axes.set_title(method.replace("_", "-"), fontsize=9)
        row[0].set_ylabel(f"{label}\n{counted(of.pictures, 'face')}", fontsize=9)
    save_figure(figure, path)


def _regions(figures: dict[str, Any], path: Path) -> None:
    """How many times as much heat as its area a region has, by label and method: 1 is what chance gives."""
    methods = figures["heat_by_region"]
    area = figures["area_of_region"]
    figure = new_figure((5 * len(methods) + 1, 4))
    grid = figure.subplots(1, len(methods), squeeze=False)[0]
    for axes, (method, rows) in zip(grid, methods.items(), strict=True):
        times = np.array([[row[region] / area[region] for region in area] for row in rows.values()])
        axes.imshow(times, cmap="PuOr_r", vmin=0, vmax=2, aspect="auto")
        for (y, x), value in np.ndenumerate(times):
            axes.text(x, y, f"{value:.1f}", ha="center", va="center", fontsize=8)
        axes.set_xticks(range(len(area)), list(area), rotation=30, ha="right", fontsize=8)
        axes.set_yticks(range(len(rows)), list(rows), fontsize=8)
        axes.set_title(f"{method.replace('_', '-')}: heat by area", fontsize=9)
    save_figure(figure, path)


def _deletion(checks: dict[str, Any], path: Path) -> None:
    """Mean probability of the label as cells are painted over, by method and at random."""
    figure = new_figure((5.5, 4))
    axes = figure.subplots()
    for name, check in checks.items():
        shares = np.linspace(0, 1, len(check["curve"]))
        style = {"color": "#999999", "linestyle": "--"} if name == "random" else {"marker": "."}
        axes.plot(shares, check["curve"], label=f"{name.replace('_', '-')}, mean {check['area']:.3f}", **style)
    axes.set(xlabel="share of the face painted over", ylabel="mean probability of its label", ylim=(0, 1))
    axes.legend(fontsize=8)
    save_figure(figure, path)


def _layers(rows: list[dict[str, Any]], path: Path) -> None:
    """Spread and share of zeros of what each layer is given."""
    figure = new_figure((9, 3.5))
    left, other = figure.subplots(1, 2)
    places = range(len(rows))
    left.plot(places, [row["std"] for row in rows], marker=".")
    left.set(xlabel="layer", ylabel="standard deviation of its input", ylim=(0, None))
    other.plot(places, [row["zeros"] for row in rows], marker=".", label="values that are 0")
    other.plot(places, [row["dead"] for row in rows], marker=".", label="channels that are 0 on every face")
    other.set(xlabel="layer", ylabel="share", ylim=(0, 1))
    other.legend(fontsize=8)
    save_figure(figure, path)
