"""For whom a model works: its figures by group, against a truth.

The truth is what people labelled, or another model's answers where nobody did; the arithmetic is the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ....bundle import Logits
from ....export.metrics import Classes
from ..intervals import Estimate, calibration, mean_confidence, share, wilson
from .grouping import Partition

SMALL = 30
"""Fewer pictures than this: the figures are given, and the group is called too small to speak of."""


@dataclass(frozen=True)
class Group:
    """One group's figures.

    Attributes:
        by: the columns that define it, joined by " x ".
        name: their values, joined likewise.
        pictures, correct: counts.
        low, high: 95 % Wilson interval of the accuracy.
        confidence: mean probability of its answers, 0..1.
        calibration_error: see `intervals.calibration`.
        recall: label -> recall, with Wilson's interval; only labels that occur in the group.
        support: label -> how many pictures of the group have it.
    """

    by: str
    name: str
    pictures: int
    correct: int
    low: float
    high: float
    confidence: Estimate
    calibration_error: Estimate
    recall: Mapping[str, Estimate]
    support: Mapping[str, int]

    @property
    def label(self) -> str:
        """What a table calls it."""
        return f"{self.by}: {self.name}"

    @property
    def accuracy(self) -> float:
        """Share of correct pictures, 0..1."""
        return self.correct / self.pictures

    @property
    def mean_recall(self) -> float:
        """Mean over the labels that occur in the group."""
        return float(np.mean([r.value for r in self.recall.values()]))

    @property
    def too_small(self) -> bool:
        """Whether the group is too small to speak of."""
        return self.pictures < SMALL

    def facts(self) -> dict[str, Any]:
        """Everything of it, as metrics.json has it."""
        return {**asdict(self), "accuracy": self.accuracy, "mean_recall": self.mean_recall, "too_small": self.too_small}


def by_group(parts: Sequence[Partition], logits: Logits, truth: Classes, labels: Sequence[str]) -> list[Group]:
    """Figures of every group of every partition; logits (N, labels), truth (N,)."""
    return [
        _group(part, index, logits[part.members == index], truth[part.members == index], labels)
        for part in parts
        for index in range(len(part.names))
        if (part.members == index).any()
    ]


def _group(part: Partition, index: int, logits: Logits, truth: Classes, labels: Sequence[str]) -> Group:
    right = logits.argmax(axis=1) == truth
    support = {name: int((truth == i).sum()) for i, name in enumerate(labels)}
    recall = {
        name: share(int(right[truth == i].sum()), support[name]) for i, name in enumerate(labels) if support[name]
    }
    count, correct = int(truth.size), int(right.sum())
    figures = (count, correct, *wilson(correct, count), mean_confidence(logits), calibration(logits, truth))
    return Group(part.by, part.names[index], *figures, recall, support)


def table(groups: Sequence[Group], what: str = "accuracy") -> str:
    """The figures as lines of text; `what` the share of right answers is called."""
    width = max(len(g.label) for g in groups)
    lines = [f"{'group':{width}} {'pictures':>8} {what:>9}  95 % interval  confidence  calibration error"]
    for g in groups:
        note = "  too small to speak of" if g.too_small else ""
        figures = f"{g.accuracy:9.3f}  {g.low:.3f}..{g.high:.3f}   {g.confidence.value:10.3f}  {g.calibration_error}"
        lines.append(f"{g.label:{width}} {g.pictures:8} {figures}{note}")
    labels = list(groups[0].support)
    lines += [
        "",
        f"{'recall' if what == 'accuracy' else what + ' by label':{width}} "
        + " ".join(f"{label:>14}" for label in labels),
    ]
    for g in groups:
        cells = [f"{g.recall[n].value:.3f} of {g.support[n]}" if n in g.recall else "-" for n in labels]
        lines.append(f"{g.label:{width}} " + " ".join(f"{cell:>14}" for cell in cells))
    return "\n".join(lines)
