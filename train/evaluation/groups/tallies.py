"""Right answers counted by group and label, and what chance does to them: permutations, and pictures drawn again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....export.metrics import Classes
from ..intervals import AT_ONCE, RESAMPLES, SEED, Floats
from .grouping import Partition

PERMUTATIONS = 9999
"""Of the test; no p value is below one in so many and one."""


@dataclass(frozen=True)
class Tally:
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

    @property
    def accuracy(self) -> Floats:
        """Of each group, whatever the label."""
        accuracy: Floats = self.hits.sum(axis=-1) / self.support.sum(axis=-1)
        return accuracy

    def mean_recall(self, shared: NDArray[np.bool_]) -> Floats:
        """Of each group, over the labels (labels,) that count."""
        mean: Floats = np.nan_to_num(self.recall[..., shared]).mean(axis=-1)
        return mean


def tally_of(part: Partition, right: NDArray[np.bool_], truth: Classes, labels: int) -> Tally:
    """Counts (groups, labels); right, truth (N,). Pictures of no group are left out."""
    shape, known = (len(part.names), labels), part.members >= 0
    support, hits = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    np.add.at(support, (part.members[known], truth[known]), 1)
    np.add.at(hits, (part.members[known], truth[known]), right[known])
    return Tally(support, hits)


def permuted(tally: Tally, big: NDArray[np.bool_], cells: NDArray[np.bool_]) -> tuple[float, Floats]:
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
        shuffled = Tally(np.broadcast_to(tally.support, (count, *tally.support.shape)), np.stack(drawn, axis=-1))
        as_far += int((_distance(shuffled) >= _distance(tally) - 1e-9).sum())  # equal ones may differ by rounding
        if cells.any():
            widest.append(_widest(Tally(shuffled.support[:, big], shuffled.hits[:, big]), cells))
    return (1 + as_far) / (1 + PERMUTATIONS), np.concatenate(widest) if widest else np.zeros(0)


def _distance(tally: Tally) -> Floats:
    """Chi-square distance of the groups' recalls from their common one, summed over labels, for each tally."""
    support, hits = tally.support, tally.hits
    total = np.maximum(support.sum(axis=-2, keepdims=True), 1)
    common = hits.sum(axis=-2, keepdims=True) / total
    spread = common * (1 - common)
    off = np.where(support > 0, (hits - support * common) ** 2 / np.maximum(support, 1), 0.0)
    distance: Floats = np.divide(off, spread, out=np.zeros(off.shape), where=spread > 0).sum(axis=(-2, -1))
    return distance


def draw_again(tally: Tally) -> Tally:
    """Tallies (RESAMPLES, groups, labels) of pictures drawn again within each group."""
    rng = np.random.default_rng(SEED)
    drawn = []
    for support, hits in zip(tally.support, tally.hits, strict=True):
        cells = np.concatenate([hits, support - hits])
        drawn.append(rng.multinomial(cells.sum(), cells / cells.sum(), size=RESAMPLES))
    both = np.array(drawn, np.int64).reshape(len(drawn), RESAMPLES, 2, tally.hits.shape[-1]).transpose(1, 0, 2, 3)
    return Tally(both.sum(axis=2), both[:, :, 0])


def widest_by_label(tally: Tally, cells: NDArray[np.bool_]) -> Floats:
    """Difference between the highest and the lowest recall of each label, among the cells that count."""
    known = cells & (tally.support > 0)
    recall = tally.recall
    high, low = np.where(known, recall, -1.0).max(axis=-2), np.where(known, recall, 2.0).min(axis=-2)
    difference: Floats = np.where(known.any(axis=-2), high - low, 0.0)
    return difference


def _widest(tally: Tally, cells: NDArray[np.bool_]) -> Floats:
    widest: Floats = widest_by_label(tally, cells).max(axis=-1)
    return widest
