"""What a model answers to groups of which nobody labelled the expressions, and where a second model agrees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....bundle import Logits
from ....bundle.labels import common_names
from ....errors import DatasetError
from ....words import counted
from ..intervals import Estimate, mean_confidence, share, wilson
from . import fairness
from .gaps import Compared, compare
from .grouping import Partition


@dataclass(frozen=True)
class Answers:
    """What a model answers to one group: mean confidence, and the share of each label."""

    by: str
    name: str
    pictures: int
    confidence: Estimate
    shares: Mapping[str, Estimate]


@dataclass(frozen=True)
class Agreement:
    """Where two models agree, and what the first one answers there; recall is of the second one's answers.

    `same` says of each picture whether they agree, bool (N,).
    """

    model: str
    same: NDArray[np.bool_]
    share: Estimate
    compared: Compared
    agreed: list[Answers]


def answers_by_group(parts: Sequence[Partition], logits: Logits, labels: Sequence[str]) -> list[Answers]:
    """Answers of every group that has a picture; logits (N, labels)."""
    found = []
    for part in parts:
        for index, name in enumerate(part.names):
            mine = logits[part.members == index]
            if len(mine):
                said = mine.argmax(axis=1)
                shares = {label: share(int((said == i).sum()), len(mine)) for i, label in enumerate(labels)}
                found.append(Answers(part.by, name, len(mine), mean_confidence(mine), shares))
    return found


def agreement(
    parts: Sequence[Partition],
    logits: Logits,
    labels: Sequence[str],
    other: str,
    its_labels: Sequence[str],
    its: Logits,
) -> Agreement:
    """Compare two models on the labels that both have.

    Args:
        logits: of the one, (N, labels); other: the second one's name; its: that one's logits, (N, its_labels).

    Raises:
        DatasetError: they share fewer than two labels.
    """
    mine, theirs = common_names(labels), common_names(its_labels)
    names = [name for name in dict.fromkeys(mine) if name in theirs]
    if len(names) < 2:
        raise DatasetError(
            f"{other} shares no two labels with the model that is measured",
            cause=f"its labels are {', '.join(its_labels)}, the measured model's {', '.join(labels)}",
        )
    logits = logits[:, [mine.index(name) for name in names]]
    truth = np.asarray(its[:, [theirs.index(name) for name in names]].argmax(axis=1), np.int64)
    same = logits.argmax(axis=1) == truth
    agreed = answers_by_group([part.of(same) for part in parts], logits[same], names)
    return Agreement(other, same, share(int(same.sum()), len(same)), compare(parts, logits, truth, names), agreed)


def what_to_label(parts: Sequence[Partition], labels: Sequence[str], data: Path, command: str) -> str:
    """What people must label so that recall by group can be measured, and the command that then does."""
    widest = max(parts, key=lambda part: len(part.names))
    few, many = fairness.SMALL, 100
    off, less = (round(100 * (wilson(n // 2, n)[1] - 0.5)) for n in (few, many))
    table = data if data.is_file() else data / "manifest.csv"
    return (
        f"Nobody labelled the expressions of these pictures, so for whom the model is right was not measured. To know "
        f"it, label {few} pictures of each of {len(labels)} expressions in each of {len(widest.names)} groups by "
        f"{widest.by}: {counted(few * len(labels) * len(widest.names), 'picture')} tell each recall to within {off} "
        f"points, {many} of each to within {less}. Write the labels into the column label of {table}, then:\n"
        f"  {command}"
    )


def table(answers: Sequence[Answers]) -> str:
    """Confidence and shares as lines of text."""
    width = max((len(a.by + a.name) for a in answers), default=5) + 2
    labels = list(answers[0].shares) if answers else []
    lines = [f"{'answers':{width}} {'pictures':>8} {'confidence':>22} " + " ".join(f"{n:>14}" for n in labels)]
    for a in answers:
        shares = " ".join(f"{f'{s.value:.2f} {s.low:.2f}..{s.high:.2f}':>14}" for s in a.shares.values())
        lines.append(f"{a.by + ': ' + a.name:{width}} {a.pictures:8} {a.confidence!s:>22} {shares}")
    return "\n".join(lines)
