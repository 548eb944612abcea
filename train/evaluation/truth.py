"""The pictures that a model is held against, and what people labelled them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...bundle.dataset import Dataset, Sample, Watch, read_dataset, unwatched
from ...errors import DatasetError, UsageError
from ...export.metrics import Classes
from ...words import counted


def read_labelled(
    data: Path,
    label: str,
    mixed_in: str = "",
    watch: Watch = unwatched,
    label_map: str | None = None,
    any_label: bool = False,
    margin: float = 0.0,
) -> Dataset:
    """The data with the asked label column, or with the second column that a recipe mixes in; raises UsageError."""
    second = mixed_in if label == "label" else label
    if mixed_in and second != mixed_in:
        raise UsageError(f"the recipe mixes in {mixed_in!r}, so --label cannot be {label!r}", hint="leave --label out")
    return read_dataset(data, second, watch=watch, label_map=label_map, any_label=any_label, margin=margin)


def truth_of(dataset: Dataset, split: str, label: str, data: Path) -> tuple[list[Sample], Classes]:
    """The split's pictures that have the asked label, and those labels; raises DatasetError when there are none."""
    pairs = [(s, s.label if label == "label" else s.second) for s in dataset.split(split)]
    kept = [(s, found) for s, found in pairs if found is not None]
    if not kept:
        raise DatasetError(
            f"{data} has no labelled picture in the split {split!r}",
            cause=f"{counted(len(bad), 'picture')} of it cannot be read, {bad[0].path} first"
            if (bad := dataset.unreadable_in(split))
            else "class folders without split folders have train and valid only",
            hint="the same command with --split valid",
        )
    return [s for s, _ in kept], np.array([found for _, found in kept], np.int64)
