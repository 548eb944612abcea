"""The gaps between groups in words, for a terminal and for a model card."""

from __future__ import annotations

from collections.abc import Sequence

from ....words import counted
from .fairness import SMALL, table
from .gaps import SMALL_CELL, Compared, Gap


def tables(compared: Compared, what: str = "accuracy") -> list[str]:
    """The figures of each group, and their gaps where there are groups, as paragraphs for a terminal."""
    return [table(compared.groups, what), *([text(compared.gaps, what)] if compared.gaps else [])]


def text(found: Sequence[Gap], what: str = "accuracy") -> str:
    """The gaps as lines for a terminal; `what` the share of right answers is called."""
    return "\n".join(
        line for gap in found for line in [f"gaps by {gap.by}", *(f"  {line}" for line in sentences(gap, what))]
    )


def sentences(gap: Gap, what: str = "accuracy") -> list[str]:
    """One gap in words."""
    recall = "recall of" if what == "accuracy" else f"{what} on"
    lines = []
    widest = gap.equal_opportunity
    if widest is None:
        lines.append(f"equal opportunity: no label has two groups with {SMALL_CELL} pictures of it")
    elif widest.highest == widest.lowest:
        lines.append(f"equal opportunity: {recall} no label differs")
    else:
        lines.append(
            f"equal opportunity: {recall} {widest.label} differs by {widest.difference}, {widest.highest} over "
            f"{widest.lowest}; chance alone exceeds {widest.by_chance:.3f} in 5 of 100"
        )
    if gap.worst_accuracy:
        lines.append(f"worst group: {gap.worst_accuracy.group}, {what} {gap.worst_accuracy.figure}")
    if gap.worst_mean_recall:
        over = f"mean {recall} {', '.join(gap.labels)}"
        lines.append(f"worst group: {gap.worst_mean_recall.group}, {over} {gap.worst_mean_recall.figure}")
    if gap.too_small:
        lines.append(f"too small to compare, under {counted(SMALL, 'picture')}: {', '.join(gap.too_small)}")
    lines.append(
        f"that the group does not matter: p = {gap.p:.4f} within labels, {gap.p_overall:.4f} over all pictures; "
        f"corrected (Holm) {gap.p_holm:.4f} and {gap.p_overall_holm:.4f}; {counted(gap.permutations, 'permutation')}"
    )
    return lines
