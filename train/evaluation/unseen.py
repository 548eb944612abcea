"""Which faces without labels a bundle's training held out: the others were learned, and measure nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...bundle.dataset import Dataset, Sample, stratified_split
from ...errors import DatasetError
from ...words import counted

HELD_OUT = "held-out"
"""What `--split` calls them. Their split is `valid`, as it was in the training."""


def held_out_faces(dataset: Dataset, provenance: Mapping[str, Any], data: Path) -> list[Sample]:
    """The faces of a set without labels that a model's training left out by `hold_out` and its seed.

    The split is made anew from the paths, as the training made it, and held against the sizes that the bundle states.

    Args:
        provenance: of the bundle's manifest.

    Raises:
        DatasetError: the training held nothing out, or this is not one of its sets, whole.
    """
    found = again(dataset, provenance)
    if found is None:
        raise DatasetError(
            f"the model's training held no faces of {data} out",
            cause="its recipe has no hold_out, or the set is another one, has labels, or lacks pictures today",
            hint=f"the same command without --split {HELD_OUT}",
        )
    return found


def seen_before(dataset: Dataset, provenance: Mapping[str, Any], data: Path) -> str | None:
    """What to say where the model learned most of these faces; None where that is not known."""
    found = again(dataset, provenance)
    if found is None:
        return None
    learned = len(dataset.split("train")) - len(found)
    return (
        f"{counted(learned, 'picture')} of {data} were in the model's training; --split {HELD_OUT} measures on the "
        f"{len(found)} that were not"
    )


def again(dataset: Dataset, provenance: Mapping[str, Any]) -> list[Sample] | None:
    """The held-out faces, or None where the bundle's words and this set do not fit together."""
    recipe = provenance.get("recipe") or {}
    share, stated = recipe.get("hold_out", 0.0), (provenance.get("data") or {}).get("sets", [])
    bare = [replace(s, label=None) for s in dataset.samples]
    split = stratified_split(bare, recipe.get("seed", 0), share) if share else bare
    sizes = {name: sum(s.split == name for s in split) for name in ("train", "valid")}
    fits = f": train {sizes['train']}, valid {sizes['valid']}, "
    if not share or dataset.split("valid") or not any(fits in f"{line}, " and "0 labelled" in line for line in stated):
        return None
    kept = {s.path for s in split if s.split == "valid"}
    return [s for s in dataset.samples if s.path in kept]
