"""Pictures that occur more than once: figures on a copy of a training picture say nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from ...bundle.dataset import Dataset, Sample

ORDER = ("test", "valid", "train")
"""Of several copies the one in the first of these splits is kept: held-out figures stay whole, training gives way."""


def copied(samples: Sequence[Sample], elsewhere: Sequence[Sample]) -> list[Sample]:
    """Those samples of which a copy is elsewhere."""
    known = {s.content for s in elsewhere}
    return [s for s in samples if s.content in known]


def counts(dataset: Dataset) -> dict[str, int]:
    """How many pictures have a copy in another split or their own: only what occurs, as `test in train` -> number."""
    found = {}
    for i, split in enumerate(ORDER):
        for other in ORDER[i + 1 :]:
            found[f"{split} in {other}"] = len(copied(dataset.split(split), dataset.split(other)))
        inside = Counter(s.content for s in dataset.split(split))
        found[f"{split} in itself"] = sum(n - 1 for n in inside.values())
    return {k: v for k, v in found.items() if v}


def dedupe(dataset: Dataset) -> Dataset:
    """The dataset with one copy of each picture, kept in the first split of ORDER that has it.

    The test split is left as it is, so that published figures stay comparable.
    """
    seen: set[str] = {s.content for s in dataset.split("test")}
    kept: set[int] = {id(s) for s in dataset.split("test")}
    for split in ORDER[1:]:
        for sample in dataset.split(split):
            if sample.content not in seen:
                seen.add(sample.content)
                kept.add(id(sample))
    return replace(dataset, samples=tuple(s for s in dataset.samples if id(s) in kept))
