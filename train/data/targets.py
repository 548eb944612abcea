"""What the network is asked to say for each training face, and how often it sees it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...bundle import LABELS
from ...bundle.dataset import Sample
from ...errors import DatasetError
from ..recipe import Recipe

MIN_VOTES = 3.0
"""Fewer votes than this for all seven labels together say that most taggers saw no expression of these, or no face."""


def training_targets(samples: Sequence[Sample], recipe: Recipe) -> tuple[list[Sample], NDArray[np.float32]]:
    """Samples that can be trained on and the distribution over labels each is to be given.

    Args:
        samples: of the training split.
        recipe: its `labels`, `second_share` and `label_smoothing` are used.

    Returns:
        the kept samples, and float32 targets (kept, classes) whose rows sum to 1.

    Raises:
        DatasetError: the recipe wants votes and the data has none, or nothing is left.
    """
    kept, rows = [], []
    for sample in samples:
        row = _target(sample, recipe)
        if row is not None:
            kept.append(sample)
            rows.append(row)
    if not kept:
        raise DatasetError(
            f"no training picture has what the recipe {recipe.name!r} asks for (labels = {recipe.labels!r})",
            cause="the data has no vote columns" if recipe.labels == "votes" else "no picture is labelled",
            hint="the same command with --recipe published",
        )
    targets = np.stack(rows)
    smooth = recipe.label_smoothing
    return kept, (targets * (1 - smooth) + smooth / len(LABELS)).astype(np.float32)


def sampling_weights(targets: NDArray[np.float32], balance: float) -> NDArray[np.float64]:
    """Probability of drawing each sample: labels of share p count p**-balance as much (0 uniform, 1 equal shares)."""
    share = targets.mean(axis=0)
    factor = np.where(share > 0, np.maximum(share, 1e-9) ** -balance, 0.0)
    weights = (targets @ factor).astype(np.float64)
    return np.asarray(weights / weights.sum())


def label_share(targets: NDArray[np.float32], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of each label in what the network actually sees (classes,), after sampling."""
    share = weights @ targets.astype(np.float64)
    return np.asarray(share / share.sum())


def _target(sample: Sample, recipe: Recipe) -> NDArray[np.float32] | None:
    """One sample's distribution over labels, or None when it cannot be trained on."""
    if recipe.labels == "votes":
        total = sum(sample.votes)
        if total < MIN_VOTES:
            return None
        first = np.asarray(sample.votes, np.float32) / total
    elif sample.label is None:
        return None
    else:
        first = np.eye(len(LABELS), dtype=np.float32)[sample.label]
    if recipe.second_share and sample.second is not None:
        second = np.eye(len(LABELS), dtype=np.float32)[sample.second]
        return np.asarray(first * (1 - recipe.second_share) + second * recipe.second_share, np.float32)
    return first
