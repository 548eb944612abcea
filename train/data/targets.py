"""What the network is asked to say for each training face: from its labels and its teachers."""

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


def training_targets(
    samples: Sequence[Sample], recipe: Recipe, answers: NDArray[np.float32] | None = None
) -> tuple[list[Sample], NDArray[np.float32]]:
    """Samples that can be trained on and the distribution over labels each is to be given.

    Args:
        samples: of the training split.
        recipe: its `labels`, `second_share`, `label_smoothing` and, with answers, `distill` are used.
        answers: teachers' distributions (N, classes). They take the share `distill` of a labelled picture's target, and
            all of one without labels.

    Returns:
        the kept samples, and float32 targets (kept, classes) whose rows sum to 1.

    Raises:
        DatasetError: the recipe wants votes and the data has none, or nothing is left, of all or of one set.
    """
    kept, rows = [], []
    smooth = recipe.label_smoothing
    if recipe.labels == "votes" and answers is None and not any(s.votes for s in samples):
        samples = []
    for place, sample in enumerate(samples):
        row = _target(sample, recipe)
        if row is not None:
            row = row * (1 - smooth) + smooth / len(LABELS)
        if answers is not None:
            row = _with_answer(row, answers[place], sample, recipe)
        if row is not None:
            kept.append(sample)
            rows.append(row)
    useless = {s.collection for s in samples} - {s.collection for s in kept}
    if kept and useless:
        raise DatasetError(
            f"no training picture of {', '.join(sorted(useless))} has a label",
            cause=f"the recipe {recipe.name!r} learns from labels alone",
            hint='add distill and distill_answers = "once" to the recipe, and --teacher BUNDLE; or leave the set out',
        )
    if not kept:
        raise DatasetError(
            f"no training picture has what the recipe {recipe.name!r} asks for (labels = {recipe.labels!r})",
            cause="the data has no vote columns" if recipe.labels == "votes" else "no picture is labelled",
            hint="the same command with --recipe published",
        )
    return kept, np.stack(rows).astype(np.float32)


def _target(sample: Sample, recipe: Recipe) -> NDArray[np.float32] | None:
    """One sample's distribution over labels, or None when it cannot be trained on."""
    if recipe.labels == "votes" and sample.votes:
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


def _with_answer(
    row: NDArray[np.float32] | None, answer: NDArray[np.float32], sample: Sample, recipe: Recipe
) -> NDArray[np.float32] | None:
    """A target with its teachers' part; without labels all of it, unless the taggers saw no expression at all."""
    if row is not None:
        return np.asarray(recipe.distill * answer + (1 - recipe.distill) * row, np.float32)
    return None if sample.votes and sum(sample.votes) < MIN_VOTES else answer
