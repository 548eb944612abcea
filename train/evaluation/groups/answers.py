"""What a model answers to groups of which nobody labelled the expressions, and what would have to be labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ....bundle import Logits
from ....words import counted
from ..intervals import Estimate, mean_confidence, share, wilson
from . import fairness
from .grouping import Partition, everybody


@dataclass(frozen=True)
class Answers:
    """What a model answers to one group: mean confidence, and the share of each label."""

    by: str
    name: str
    pictures: int
    confidence: Estimate
    shares: Mapping[str, Estimate]


def answers_by_group(parts: Sequence[Partition], logits: Logits, labels: Sequence[str]) -> list[Answers]:
    """Answers of every group that has a picture, or of all where there are no groups; logits (N, labels)."""
    found = []
    for part in parts or [everybody(len(logits))]:
        for index, name in enumerate(part.names):
            mine = logits[part.members == index]
            if len(mine):
                said = mine.argmax(axis=1)
                shares = {label: share(int((said == i).sum()), len(mine)) for i, label in enumerate(labels)}
                found.append(Answers(part.by, name, len(mine), mean_confidence(mine), shares))
    return found


def what_to_label(parts: Sequence[Partition], labels: Sequence[str], data: Path, command: str) -> str:
    """What people must label so that recall by group can be measured, and the command that then does."""
    widest = max(parts, key=lambda part: len(part.names), default=None)
    within, groups = (
        (f" in each of {len(widest.names)} groups by {widest.by}", len(widest.names)) if widest else ("", 1)
    )
    few, many = fairness.SMALL, 100
    off, less = (round(100 * (wilson(n // 2, n)[1] - 0.5)) for n in (few, many))
    table = data if data.is_file() else data / "manifest.csv"
    return (
        f"Nobody labelled the expressions of these pictures, so {'for whom' if widest else 'where'} the model is right "
        f"was not measured. To know it, label {few} pictures of each of {len(labels)} expressions{within}: "
        f"{counted(few * len(labels) * groups, 'picture')} tell each recall to within {off} points, {many} of each to "
        f"within {less}. Write the labels into the column label of {table}, then:\n"
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
