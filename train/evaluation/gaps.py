"""How far groups are apart: equal opportunity, the worst-served group, and whether chance would do as much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bundle import Logits
from ...export.metrics import Classes
from ...words import counted
from .fairness import SMALL, Group, by_group
from .grouping import Partition
from .intervals import AT_ONCE, RESAMPLES, SEED, Estimate, Floats, percentiles

SMALL_CELL = 10
"""A recall of fewer pictures is given with its interval, and not counted as a gap."""
PERMUTATIONS = 9999
"""Of the test; no p value is below one in so many and one."""


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
        worst_accuracy, worst_mean_recall: of the compared; the mean is over `labels`.
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


@dataclass(frozen=True)
class _Tally:
    """Pictures and right answers, int64 (..., groups, labels)."""

    support: NDArray[np.int64]
    hits: NDArray[np.int64]

    @property
    def recall(self) -> Floats:
        """NaN where a group has no picture of a label."""
        recall: Floats = np.divide(
            self.hits, self.support, out=np.full(self.hits.shape, np.nan), where=self.support > 0
        )
        return recall


def compare(parts: Sequence[Partition], logits: Logits, truth: Classes, labels: Sequence[str]) -> Compared:
    """Figures and gaps of every partition against a truth."""
    return Compared(by_group(parts, logits, truth, labels), gaps(parts, logits, truth, labels))


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
    tally = _tally(part, right, truth, len(labels))
    pictures = tally.support.sum(axis=1)
    big = pictures >= SMALL
    kept = _Tally(tally.support[big], tally.hits[big])
    names = tuple(name for name, is_big in zip(part.names, big, strict=True) if is_big)
    too_small = tuple(name for name, n in zip(part.names, pictures, strict=True) if 0 < n < SMALL)
    cells = kept.support >= SMALL_CELL
    resampled = _resampled(kept)
    p, by_chance = _permuted(tally, big, cells)
    whole = _Tally(tally.support.sum(axis=1, keepdims=True), tally.hits.sum(axis=1, keepdims=True))
    overall, _ = _permuted(whole, big, np.zeros((len(names), 1), bool))
    accuracy = recall = None
    shared = np.asarray(cells.all(axis=0) & (len(names) > 1))
    if len(names) > 1:
        accuracy = _worst(names, _accuracy(kept), _accuracy(resampled))
    if shared.any():
        recall = _worst(names, _mean_recall(kept, shared), _mean_recall(resampled, shared))
    measured = tuple(name for name, is_shared in zip(labels, shared, strict=True) if is_shared)
    opportunity = _opportunity(names, labels, kept, resampled, by_chance) if (cells.sum(axis=0) > 1).any() else None
    return Gap(part.by, names, too_small, opportunity, accuracy, recall, measured, p, overall, p, overall)


def _opportunity(
    names: Sequence[str], labels: Sequence[str], kept: _Tally, resampled: _Tally, by_chance: Floats
) -> Opportunity:
    cells = kept.support >= SMALL_CELL
    at = int(np.where(cells.sum(axis=0) > 1, _by_label(kept, cells), -1.0).argmax())
    recall = np.where(cells[:, at], kept.recall[:, at], np.nan)
    top, least = int(np.nanargmax(recall)), int(np.nanargmin(recall))
    # Of these two groups: the largest difference of each resample would lie above the one that was found.
    again = np.nan_to_num(resampled.recall[:, top, at] - resampled.recall[:, least, at])
    difference = percentiles(float(recall[top] - recall[least]), again)
    return Opportunity(labels[at], names[top], names[least], difference, float(np.percentile(by_chance, 95)))


def _tally(part: Partition, right: NDArray[np.bool_], truth: Classes, labels: int) -> _Tally:
    shape, known = (len(part.names), labels), part.members >= 0
    support, hits = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    np.add.at(support, (part.members[known], truth[known]), 1)
    np.add.at(hits, (part.members[known], truth[known]), right[known])
    return _Tally(support, hits)


def _permuted(tally: _Tally, big: NDArray[np.bool_], cells: NDArray[np.bool_]) -> tuple[float, Floats]:
    """The p value over all groups, and the widest difference between the big ones in each of PERMUTATIONS.

    Groups are shuffled among the pictures of one true label, so that a group that smiles more is not taken for one
    that is served better. Each label's right answers then fall on the groups as balls of an urn do.
    """
    rng = np.random.default_rng(SEED)
    as_far, widest = 0, []
    step = max(1, AT_ONCE // tally.support.size)
    for begin in range(0, PERMUTATIONS, step):
        count = min(step, PERMUTATIONS - begin)
        drawn = [
            rng.multivariate_hypergeometric(support, hits.sum(), size=count, method="marginals")
            for support, hits in zip(tally.support.T, tally.hits.T, strict=True)
        ]
        shuffled = _Tally(np.broadcast_to(tally.support, (count, *tally.support.shape)), np.stack(drawn, axis=-1))
        as_far += int((_distance(shuffled) >= _distance(tally) - 1e-9).sum())  # equal ones may differ by rounding
        if cells.any():
            widest.append(_widest(_Tally(shuffled.support[:, big], shuffled.hits[:, big]), cells))
    return (1 + as_far) / (1 + PERMUTATIONS), np.concatenate(widest) if widest else np.zeros(0)


def _distance(tally: _Tally) -> Floats:
    """Chi-square distance of the groups' recalls from their common one, summed over labels, for each tally."""
    support, hits = tally.support, tally.hits
    total = np.maximum(support.sum(axis=-2, keepdims=True), 1)
    common = hits.sum(axis=-2, keepdims=True) / total
    spread = common * (1 - common)
    off = np.where(support > 0, (hits - support * common) ** 2 / np.maximum(support, 1), 0.0)
    distance: Floats = np.divide(off, spread, out=np.zeros(off.shape), where=spread > 0).sum(axis=(-2, -1))
    return distance


def _resampled(tally: _Tally) -> _Tally:
    """Tallies (RESAMPLES, groups, labels) of pictures drawn again within each group."""
    rng = np.random.default_rng(SEED)
    drawn = []
    for support, hits in zip(tally.support, tally.hits, strict=True):
        cells = np.concatenate([hits, support - hits])
        drawn.append(rng.multinomial(cells.sum(), cells / cells.sum(), size=RESAMPLES))
    both = np.array(drawn, np.int64).reshape(len(drawn), RESAMPLES, 2, tally.hits.shape[-1]).transpose(1, 0, 2, 3)
    return _Tally(both.sum(axis=2), both[:, :, 0])


def _by_label(tally: _Tally, cells: NDArray[np.bool_]) -> Floats:
    """Difference between the highest and the lowest recall of each label, among the cells that count."""
    known = cells & (tally.support > 0)
    recall = tally.recall
    high, low = np.where(known, recall, -1.0).max(axis=-2), np.where(known, recall, 2.0).min(axis=-2)
    difference: Floats = np.where(known.any(axis=-2), high - low, 0.0)
    return difference


def _widest(tally: _Tally, cells: NDArray[np.bool_]) -> Floats:
    widest: Floats = _by_label(tally, cells).max(axis=-1)
    return widest


def _accuracy(tally: _Tally) -> Floats:
    accuracy: Floats = tally.hits.sum(axis=-1) / tally.support.sum(axis=-1)
    return accuracy


def _mean_recall(tally: _Tally, shared: NDArray[np.bool_]) -> Floats:
    mean: Floats = np.nan_to_num(tally.recall[..., shared]).mean(axis=-1)
    return mean


def _worst(names: Sequence[str], figures: Floats, resampled: Floats) -> Worst:
    """figures (groups,), resampled (RESAMPLES, groups)."""
    least = int(figures.argmin())
    return Worst(names[least], percentiles(float(figures[least]), resampled[:, least]))


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
