"""Figures of merit, each a pure function of logits and labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle import Logits, softmax

Classes = NDArray[np.int64]
"""int64, N, each the index of a label."""
BINS = 15
"""Of a calibration error, as in Guo et al. 2017."""


def confusion(truth: Classes, predicted: Classes, classes: int) -> NDArray[np.int64]:
    """Counts, rows the truth, columns the prediction."""
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (truth, predicted), 1)
    return table


def calibration_error(probabilities: Logits, truth: Classes, bins: int = BINS) -> float:
    """Expected calibration error: |confidence - accuracy| over equal-width bins, weighted by size (Guo et al. 2017)."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == truth
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gap = 0.0
    for b in range(bins):
        inside = which == b
        if inside.any():
            gap += inside.mean() * abs(confidence[inside].mean() - correct[inside].mean())
    return float(gap)


def report(logits: Logits, truth: Classes, labels: Sequence[str]) -> dict[str, Any]:
    """Accuracy, error rate, mean recall, calibration error, averages, figures of each label, confusion matrix.

    `averages` has precision, recall and F1 over the labels: `macro`, each label alike, and `weighted` by its pictures.
    A label that does not occur in `truth` has recall None and stays out of the means.
    """
    table = confusion(truth, logits.argmax(axis=1), len(labels))
    hits, support, guessed = np.diag(table), table.sum(axis=1), table.sum(axis=0)
    per_label = {}
    for i, name in enumerate(labels):
        recall = float(hits[i] / support[i]) if support[i] else None
        precision = float(hits[i] / guessed[i]) if guessed[i] else 0.0
        both = precision + (recall or 0.0)
        f1 = 2 * precision * (recall or 0.0) / both if both else 0.0
        per_label[name] = {"precision": precision, "recall": recall, "f1": f1, "support": int(support[i])}
    averages = _averages([v for v in per_label.values() if v["support"]])
    accuracy = float(hits.sum() / max(truth.size, 1))
    return {
        "images": int(truth.size),
        "accuracy": accuracy,
        "error_rate": 1 - accuracy,
        "mean_recall": averages["macro"]["recall"],
        "macro_f1": averages["macro"]["f1"],
        "calibration_error": calibration_error(softmax(logits), truth),
        "averages": averages,
        "per_label": per_label,
        "confusion": table.tolist(),
    }


def _averages(present: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Means over the labels that occur, macro and weighted by support; 0 where none does."""
    support = [float(v["support"]) for v in present]
    return {
        kind: {
            key: float(np.average([v[key] for v in present], weights=weights)) if present else 0.0
            for key in ("precision", "recall", "f1")
        }
        for kind, weights in (("macro", None), ("weighted", support))
    }


def fit_temperature(logits: Logits, truth: Classes) -> float:
    """The temperature in 0.25..4 that minimises the log loss of logits / temperature (golden-section search)."""

    def loss(log_t: float) -> float:
        probabilities = softmax(logits / np.float32(np.exp(log_t)))
        chosen = probabilities[np.arange(truth.size), truth]
        return float(-np.log(np.maximum(chosen, 1e-12)).mean())

    low, high = float(np.log(0.25)), float(np.log(4.0))
    ratio = (5**0.5 - 1) / 2
    for _ in range(60):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def fit_raise(logits: Logits, truth: Classes, label: int, recall: float) -> float:
    """The least that must be added to a label's logit, 0 or more, for that share of its pictures to be found.

    0 where no picture has the label.
    """
    mine = logits[truth == label].astype(np.float64)
    behind = np.sort(np.delete(mine, label, axis=1).max(axis=1) - mine[:, label])
    if not len(behind):
        return 0.0
    last = behind[min(math.ceil(recall * len(behind)), len(behind)) - 1]
    return max(0.0, float(last) + 1e-4)  # a tie would go to the label that comes first
