"""How far groups are apart: equal opportunity, the worst-served group, and whether chance would do as much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....bundle import Logits
from ....export.metrics import Classes
from ..intervals import Estimate, Floats, percentiles
from .fairness import SMALL, Group, by_group
from .grouping import Partition, everybody
from .tallies import PERMUTATIONS, Tally, draw_again, permuted, tally_of, widest_by_label

SMALL_CELL = 10
"""A recall of fewer pictures is given with its interval, and not counted as a gap."""


@dataclass(frozen=True)
class Worst:
    """The group with the lowest figure, and that group's figure with its interval."""

    group: str
    figure: Estimate


@dataclass(frozen=True)
class Opportunity:
    """The largest difference of a label's recall between two groups (Hardt et al. 2016).

    Attributes:
        label: whose recall it is; highest, lowest: the two groups.
        difference: with the interval of these two.
        by_chance: what the largest difference exceeds in 5 of 100 permutations, where the group does not matter.
    """

    label: str
    highest: str
    lowest: str
    difference: Estimate
    by_chance: float


@dataclass(frozen=True)
class Gap:
    """How far the groups of one partition are apart.

    Attributes:
        by: the columns.
        compared: groups of SMALL pictures or more, between which the gaps are.
        too_small: the others, which only the test counts.
        equal_opportunity: between groups with SMALL_CELL pictures of a label; None where no label has two.
        worst_accuracy, worst_mean_recall: of the compared, None where all are alike; the mean is over `labels`.
        labels: those of which every compared group has SMALL_CELL pictures.
        p: of the permutation test that, given the true label, being right does not depend on the group.
        p_overall: of the same test over all pictures, whatever their label. It alone is low where a group is worse off
            because it shows more of what is hard, or because the reference errs on it.
        p_holm, p_overall_holm: the same, corrected for all that were tested beside them (Holm 1979).
        permutations: of the test.
    """

    by: str
    compared: tuple[str, ...]
    too_small: tuple[str, ...]
    equal_opportunity: Opportunity | None
    worst_accuracy: Worst | None
    worst_mean_recall: Worst | None
    labels: tuple[str, ...]
    p: float
    p_overall: float
    p_holm: float
    p_overall_holm: float
    permutations: int = PERMUTATIONS


@dataclass(frozen=True)
class Compared:
    """A model's answers by group beside a reference: people's labels, or answers that stand in for them."""

    groups: list[Group]
    gaps: list[Gap]

    def facts(self) -> dict[str, Any]:
        """As metrics.json has it."""
        return {"groups": [g.facts() for g in self.groups], "gaps": [asdict(g) for g in self.gaps]}


def compare(parts: Sequence[Partition], logits: Logits, truth: Classes, labels: Sequence[str]) -> Compared:
    """Figures and gaps of every partition against a truth; without any, the figures of all pictures."""
    groups = by_group(parts or [everybody(len(logits))], logits, truth, labels)
    return Compared(groups, gaps(parts, logits, truth, labels))


def gaps(parts: Sequence[Partition], logits: Logits, truth: Classes, labels: Sequence[str]) -> list[Gap]:
    """The gaps of every partition, their p values corrected for how many there are."""
    return corrected([_gap(part, logits.argmax(axis=1) == truth, truth, labels) for part in parts])


def corrected(found: Sequence[Gap]) -> list[Gap]:
    """The same gaps, their p values corrected for how many these are."""
    within, overall = holm([gap.p for gap in found]), holm([gap.p_overall for gap in found])
    return [replace(g, p_holm=p, p_overall_holm=q) for g, p, q in zip(found, within, overall, strict=True)]


def holm(values: Sequence[float]) -> list[float]:
    """P values corrected for being several (Holm 1979), in their order."""
    raised, least = [0.0] * len(values), 0.0
    for rank, place in enumerate(np.argsort(values, kind="stable")):
        least = max(least, min(1.0, (len(values) - rank) * values[place]))
        raised[place] = least
    return raised


def _gap(part: Partition, right: NDArray[np.bool_], truth: Classes, labels: Sequence[str]) -> Gap:
    tally = tally_of(part, right, truth, len(labels))
    pictures = tally.support.sum(axis=1)
    big = pictures >= SMALL
    kept = Tally(tally.support[big], tally.hits[big])
    names = tuple(name for name, is_big in zip(part.names, big, strict=True) if is_big)
    too_small = tuple(name for name, n in zip(part.names, pictures, strict=True) if 0 < n < SMALL)
    cells = kept.support >= SMALL_CELL
    resampled = draw_again(kept)
    p, by_chance = permuted(tally, big, cells)
    whole = Tally(tally.support.sum(axis=1, keepdims=True), tally.hits.sum(axis=1, keepdims=True))
    overall, _ = permuted(whole, big, np.zeros((len(names), 1), bool))
    accuracy = recall = None
    shared = np.asarray(cells.all(axis=0) & (len(names) > 1))
    if len(names) > 1 and np.ptp(kept.accuracy) > 0:
        accuracy = _worst(names, kept.accuracy, resampled.accuracy)
    if shared.any() and np.ptp(kept.mean_recall(shared)) > 0:
        recall = _worst(names, kept.mean_recall(shared), resampled.mean_recall(shared))
    measured = tuple(name for name, is_shared in zip(labels, shared, strict=True) if is_shared)
    opportunity = _opportunity(names, labels, kept, resampled, by_chance) if (cells.sum(axis=0) > 1).any() else None
    return Gap(part.by, names, too_small, opportunity, accuracy, recall, measured, p, overall, p, overall)


def _opportunity(
    names: Sequence[str], labels: Sequence[str], kept: Tally, resampled: Tally, by_chance: Floats
) -> Opportunity:
    cells = kept.support >= SMALL_CELL
    at = int(np.where(cells.sum(axis=0) > 1, widest_by_label(kept, cells), -1.0).argmax())
    recall = np.where(cells[:, at], kept.recall[:, at], np.nan)
    top, least = int(np.nanargmax(recall)), int(np.nanargmin(recall))
    # Of these two groups: the largest difference of each resample would lie above the one that was found.
    again = np.nan_to_num(resampled.recall[:, top, at] - resampled.recall[:, least, at])
    difference = percentiles(float(recall[top] - recall[least]), again)
    return Opportunity(labels[at], names[top], names[least], difference, float(np.percentile(by_chance, 95)))


def _worst(names: Sequence[str], figures: Floats, resampled: Floats) -> Worst:
    """figures (groups,), resampled (RESAMPLES, groups)."""
    least = int(figures.argmin())
    return Worst(names[least], percentiles(float(figures[least]), resampled[:, least]))
