"""What a sweep looks like: mean accuracy by group (the study's Figures 16 and 17), and the runs' curves (Figure 22)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...words import counted
from ..evaluation.evaluation import new_figure, save_figure

BEST = 2
"""Runs of each backbone whose curves are drawn alone, as in Figure 22."""


def plot_sweep(found: Mapping[str, Any], out: Path, runs: Path | None = None) -> list[Path]:
    """Write the PNGs of a sweep into a folder; returns their paths.

    Args:
        found: `runs`, `by_backbone` and `by_augmentation`, as `run_sweep` returns them.
        runs: where the runs' folders are; `out`, when None.
    """
    paths = [out / "by_backbone.png", out / "by_augmentation.png"]
    for path in paths:
        _bars(found[path.stem], path)
    histories = _histories(found["runs"], runs or out)
    names = {row["name"] for row in _best(found["runs"])}
    best = [pair for pair in histories if pair[0]["name"] in names]
    for here, of, name in ((best, len(names), "best_curves.png"), (histories, len(found["runs"]), "all_curves.png")):
        if here:
            paths.append(out / name)
            _curves(here, of, paths[-1])
    return paths


def _best(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    ranked = sorted(rows, key=lambda row: -row["accuracy"])
    return [row for i, row in enumerate(ranked) if sum(r["backbone"] == row["backbone"] for r in ranked[:i]) < BEST]


def _histories(rows: Sequence[Mapping[str, Any]], out: Path) -> list[tuple[Mapping[str, Any], list[dict[str, Any]]]]:
    """The runs whose history lies in this folder; what another machine ran lies there."""
    files = [(row, out / str(row["name"]) / "history.json") for row in rows]
    return [(row, json.loads(file.read_text())) for row, file in files if file.is_file()]


def _bars(groups: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Mean validation accuracy of each group, with a line from the least to the greatest."""
    figure = new_figure((6.4, 4))
    axes = figure.subplots()
    for place, group in enumerate(groups):
        spread = group["accuracy"]
        axes.bar(place, spread["mean"], color="#4c78a8", width=0.6)
        axes.vlines(place, spread["min"], spread["max"], color="black", linewidth=1.5)
        axes.text(place, spread["max"], f"{spread['mean']:.3f}", ha="center", va="bottom")
    names = [f"{group['group']}\n{counted(group['runs'], 'run')}" for group in groups]
    axes.set_xticks(range(len(groups)), names, fontsize=8)
    axes.margins(y=0.1)  # for the figure above the tallest
    axes.set(ylabel="validation accuracy: mean, least, greatest", ylim=(0, None))
    save_figure(figure, path)


def _curves(runs: Sequence[tuple[Mapping[str, Any], list[dict[str, Any]]]], of: int, path: Path) -> None:
    """Validation accuracy and loss by epoch, one line a run, one colour a backbone; of a few runs each has its name."""
    figure = new_figure((11, 5.5))
    left, other = figure.subplots(1, 2)
    backbones = sorted({str(row["backbone"]) for row, _ in runs})
    few, drawn = len(runs) <= BEST * len(backbones), Counter[str]()
    for row, history in runs:
        epochs, backbone = [epoch["epoch"] for epoch in history], str(row["backbone"])
        look = {"color": f"C{backbones.index(backbone)}", "linewidth": 1, "alpha": 0.8}
        look |= {"linestyle": ("-", "--")[drawn[backbone] % 2]} if few else {}
        label = row["name"] if few else backbone if not drawn[backbone] else None
        left.plot(epochs, [epoch["accuracy"] for epoch in history], label=label, **look)
        other.plot(epochs, [epoch["valid_loss"] for epoch in history], **look)
        drawn[backbone] += 1
    left.set(xlabel="epoch", ylabel="validation accuracy")
    other.set(xlabel="epoch", ylabel="validation loss")
    figure.legend(loc="outside lower center", ncols=2, fontsize=6)
    figure.suptitle(f"{len(runs)} of {counted(of, 'run')}", fontsize=9)
    save_figure(figure, path)
