"""How often training draws each face: by its label, its group, its source, and its set's share."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from ...bundle.dataset import Sample
from ..recipe import Recipe

Weights = NDArray[np.float64]
"""Probability of drawing each sample (N,), summing to 1."""


def draw_weights(
    samples: Sequence[Sample],
    targets: NDArray[np.float32],
    recipe: Recipe,
    shares: Sequence[tuple[str, float]] = (),
) -> Weights | None:
    """Probability of drawing each sample, or None where each is to be seen once an epoch.

    Labels are balanced first, then groups within their set, then sources, and last the sets get their shares: what
    comes later holds exactly. A face of which a group is not known stays as it is when groups are balanced.

    Args:
        samples, targets (N, classes): that belong together.
        recipe: its `balance`, `group_balance` and `source_balance` are used.
        shares: each set's name and its share.
    """
    if not (recipe.balance or recipe.group_balance or recipe.source_balance or shares):
        return None
    weights = by_label(targets, recipe.balance)
    sets = [s.collection for s in samples]
    if recipe.group_balance:
        groups = [s.groups if all(s.groups) else None for s in samples]
        weights = rebalance(weights, groups, recipe.group_balance, sets)
    if recipe.source_balance:
        weights = rebalance(weights, [s.source for s in samples], recipe.source_balance, [""] * len(samples))
    for name, share in shares:
        own = np.array([one == name for one in sets])
        if own.any():
            weights[own] *= share / weights[own].sum()
    return np.asarray(weights / weights.sum())


def by_label(targets: NDArray[np.float32], balance: float) -> Weights:
    """Labels of share p count p**-balance as much (0 uniform, 1 equal shares)."""
    share = targets.mean(axis=0)
    factor = np.where(share > 0, np.maximum(share, 1e-9) ** -balance, 0.0)
    weights = (targets @ factor).astype(np.float64)
    return np.asarray(weights / weights.sum())


def rebalance(weights: Weights, keys: Sequence[Hashable | None], power: float, within: Sequence[str]) -> Weights:
    """The same weights with every key's share p made p**(1 - power): 1 makes all equal. Each `within` keeps its sum.

    What has no key (None) keeps its weight.
    """
    result = weights.copy()
    for whole in {w for w, key in zip(within, keys, strict=True) if key is not None}:
        inside = np.array([w == whole and key is not None for w, key in zip(within, keys, strict=True)])
        total = weights[inside].sum()
        for key in {k for k, own in zip(keys, inside, strict=True) if own}:
            chosen = inside & np.array([k == key for k in keys])
            result[chosen] *= (weights[chosen].sum() / total) ** -power
        result[inside] *= total / result[inside].sum()
    return result


def label_share(targets: NDArray[np.float32], weights: Weights | None) -> NDArray[np.float64]:
    """Share of each label in what the network actually sees (classes,), after sampling."""
    share = targets.astype(np.float64).mean(axis=0) if weights is None else weights @ targets.astype(np.float64)
    return np.asarray(share / share.sum())
