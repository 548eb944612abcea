"""Evaluating a model: the figures, the curves, and the pictures it was surest about and wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bundle import Image, Logits, softmax, whole_image, writing
from ...bundle.dataset import Sample, read_face
from ...bundle.extras import load
from ...export.metrics import Classes, report
from ...words import counted

SHEET_COLUMNS, SHEET_ROWS, CELL = 8, 5, 112


def evaluate(logits: Logits, truth: Classes, labels: Sequence[str]) -> dict[str, Any]:
    """The figures of `metrics.report`, and risk over coverage."""
    _, risk = risk_coverage(softmax(logits), truth)
    at = {f"{c:.0%}": float(risk[max(0, round(c * len(risk)) - 1)]) for c in (0.5, 0.7, 0.8, 0.9, 1.0) if len(risk)}
    return {**report(logits, truth, labels), "risk_at_coverage": at, "area_under_risk": float(risk.mean())}


def risk_coverage(probabilities: NDArray[np.float32], truth: Classes) -> tuple[NDArray[Any], NDArray[Any]]:
    """Share of pictures answered, surest first, and share of wrong answers among them (El-Yaniv and Wiener 2010)."""
    order = np.argsort(-probabilities.max(axis=1), kind="stable")
    wrong = (probabilities.argmax(axis=1) != truth)[order]
    count = np.arange(1, truth.size + 1)
    return count / max(truth.size, 1), np.cumsum(wrong) / count


def text(figures: dict[str, Any], labels: Sequence[str]) -> str:
    """The figures as lines for a terminal."""
    head = ("accuracy", "error_rate", "mean_recall", "macro_f1", "calibration_error")
    lines = [f"{counted(figures['images'], 'picture')}", *(f"{k.replace('_', ' '):18} {figures[k]:.4f}" for k in head)]
    lines.append("wrong among the surest " + ", ".join(f"{k}: {v:.3f}" for k, v in figures["risk_at_coverage"].items()))
    lines += [
        "",
        f"{'':10} {'precision':>9} {'recall':>7} {'F1':>7} {'pictures':>8}   predicted as " + " ".join(labels),
    ]
    for name, row in zip(labels, figures["confusion"], strict=True):
        v = figures["per_label"][name]
        recall = "      -" if v["recall"] is None else f"{v['recall']:7.3f}"
        cells = " ".join(f"{n:{len(label)}d}" for n, label in zip(row, labels, strict=True))
        lines.append(f"{name:10} {v['precision']:9.3f} {recall} {v['f1']:7.3f} {v['support']:8}                {cells}")
    for kind, v in figures["averages"].items():
        row = f"{v['precision']:9.3f} {v['recall']:7.3f} {v['f1']:7.3f} {figures['images']:8}"
        lines.append(f"{kind:10} {row}")
    return "\n".join(lines)


def contact_sheet(samples: Sequence[Sample], logits: Logits, truth: Classes, labels: Sequence[str]) -> Image | None:
    """The most confident mistakes as one uint8 RGB picture, surest first, or None when there is none."""
    from ...opencv import cv2

    probabilities = softmax(logits)
    guess = probabilities.argmax(axis=1)
    wrong = [i for i in np.argsort(-probabilities.max(axis=1), kind="stable") if guess[i] != truth[i]]
    wrong = wrong[: SHEET_COLUMNS * SHEET_ROWS]
    if not wrong:
        return None
    rows = -(-len(wrong) // SHEET_COLUMNS)
    sheet = np.full((rows * (CELL + 30), SHEET_COLUMNS * CELL, 3), 255, np.uint8)
    for n, i in enumerate(wrong):
        y, x = n // SHEET_COLUMNS * (CELL + 30), n % SHEET_COLUMNS * CELL
        sheet[y : y + CELL, x : x + CELL] = whole_image(read_face(samples[i]), CELL)
        said = f"{labels[guess[i]]} {probabilities[i].max():.0%}"
        for line, words in enumerate((said, f"is {labels[truth[i]]}")):
            place = (x + 2, y + CELL + 12 + 13 * line)
            cv2.putText(sheet, words, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
    return sheet


def write_sheet(sheet: Image, path: Path) -> None:
    """Write an RGB picture as PNG; raises OutputError."""
    from ...opencv import cv2

    with writing(path) as temporary:
        temporary.write_bytes(cv2.imencode(".png", sheet[:, :, ::-1])[1].tobytes())


def plot_confusion(figures: dict[str, Any], labels: Sequence[str], path: Path) -> None:
    """PNG of the confusion matrix: shares of each row's truth, counts in the cells."""
    figure = new_figure((6.4, 5.6))
    axes = figure.subplots()
    counts = np.array(figures["confusion"])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    for (row, column), count in np.ndenumerate(counts):
        color = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=color, fontsize=9)
    axes.set_xticks(range(len(labels)), labels, rotation=40, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel="predicted", ylabel="truth", title=f"accuracy {figures['accuracy']:.3f}")
    save_figure(figure, path)


def plot_confidence(logits: Logits, truth: Classes, path: Path) -> None:
    """PNG: confidence against accuracy in 15 bins, and risk over coverage."""
    probabilities = softmax(logits)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    which = np.minimum((confidence * 15).astype(int), 14)
    bins = [b for b in range(15) if (which == b).any()]
    figure = new_figure((9, 4))
    left, other = figure.subplots(1, 2)
    left.plot([0, 1], [0, 1], color="#bbbbbb")
    left.plot([confidence[which == b].mean() for b in bins], [right[which == b].mean() for b in bins], marker="o")
    left.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1), title="Calibration")
    other.plot(*risk_coverage(probabilities, truth))
    other.set(xlabel="share of pictures answered", ylabel="share wrong", xlim=(0, 1), ylim=(0, None), title="Risk")
    save_figure(figure, path)


def plot_history(history: Sequence[dict[str, float]], path: Path) -> None:
    """PNG of losses and accuracies by epoch."""
    figure = new_figure((9, 4))
    left, other = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in history]
    for axes, names in ((left, ("train_loss", "valid_loss")), (other, ("train_accuracy", "accuracy", "mean_recall"))):
        for name in names:
            axes.plot(epochs, [row[name] for row in history], marker=".", label=name.replace("_", " "))
        axes.legend()
        axes.set(xlabel="epoch")
    save_figure(figure, path)


def new_figure(size: tuple[float, float]) -> Any:
    """An empty figure of that size in inches; raises MissingExtra."""
    return load("matplotlib.figure", "train").Figure(figsize=size, layout="constrained")


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure as PNG; raises OutputError."""
    with writing(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
