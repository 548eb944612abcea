"""Labelled faces, as an export, a benchmark and a training use them: to calibrate with, and to measure on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle import Image, Logits, whole_image
from ..bundle.dataset import SUFFIXES, Dataset, Sample, Watch, balanced, read_dataset, read_image, unwatched
from ..errors import DatasetError, UsageError
from ..runtime.inference.classifier import Classifier
from .gate import Evaluate
from .metrics import report


def calibration_faces(
    folder: Path | None,
    count: int,
    seed: int,
    command: str,
    on_notice: Callable[[str], None] = lambda line: None,
    watch: Watch = unwatched,
) -> list[Image]:
    """Up to `count` calibration pictures: as many of each label as there are, or a folder's pictures as they come.

    Args:
        command: what was typed, for the error without a folder.
        on_notice: told that the folder has no labels.

    Raises:
        UsageError, DatasetError: no folder, or nothing usable in it.
    """
    if folder is None:
        raise UsageError(
            f"fer-edge {command.split()[0]} needs --calibration DIR",
            cause="every artifact is held against the model on real faces before it leaves",
            hint=f"fer-edge {command} --calibration FOLDER-OF-FACES",
        )
    flat = sorted(p for p in folder.glob("*") if p.suffix.lower() in SUFFIXES)
    if flat and not (folder / "manifest.csv").is_file():
        on_notice(f"{folder} has no labels: its pictures are taken as they come")
        return [read_image(p) for p in flat[:count]]
    dataset = read_dataset(folder, "", seed, watch)
    return [read_image(s.path) for s in balanced(dataset.split("train"), count, seed)]


def evaluation(folder: Path | None, split: str, seed: int, watch: Watch = unwatched) -> Evaluate | None:
    """What runs an artifact over a labelled folder; None without one.

    Raises DatasetError: nothing labelled in the split.
    """
    if folder is None:
        return None
    dataset, name = read_dataset(folder, "", seed, watch), f"{folder.name}/{split}"
    if not any(s.label is not None for s in dataset.split(split)):
        raise DatasetError(f"{folder} has no labelled pictures in its {split} split", hint="choose a --split")
    return lambda classifier: measure(classifier, dataset, split, name, watch)


def measure(
    classifier: Classifier, dataset: Dataset, split: str, name: str, watch: Watch = unwatched
) -> dict[str, Any]:
    """Figures on a split by its label; `second` by the other column, `unseen` without copies of training pictures.

    Args:
        name: of the set, as the manifest is to call it.
    """
    used = [s for s in dataset.split(split) if s.label is not None or s.second is not None]
    logits = logits_of(classifier, used, watch=watch)
    labels = classifier.labels
    truth = np.array([-1 if s.label is None else s.label for s in used])
    other = np.array([-1 if s.second is None else s.second for s in used])
    trained_on = {s.content for s in dataset.split("train")}
    fresh = np.array([s.content not in trained_on for s in used])
    figures = {"set": name, **report(logits[truth >= 0], truth[truth >= 0], labels)}
    if dataset.second_label and (other >= 0).any():
        figures["second"] = {"label": dataset.second_label, **report(logits[other >= 0], other[other >= 0], labels)}
    if not fresh.all():
        kept = fresh & (truth >= 0)
        figures["unseen"] = report(logits[kept], truth[kept], labels)
    return figures


def logits_of(
    classifier: Classifier,
    samples: Sequence[Sample],
    alter: Callable[[Image, int], Image] | None = None,
    watch: Watch = unwatched,
) -> Logits:
    """Logits float32 (N, classes), one picture at a time as on a device; each altered first, with its place as seed."""
    rows = []
    for place, sample in enumerate(watch(samples, desc=f"measuring {classifier.artifact.precision}")):
        picture = read_image(sample.path)
        crop = whole_image(picture if alter is None else alter(picture, place), classifier.size)
        rows.append(classifier.logits(crop[None])[0])
    return np.stack(rows) if rows else np.zeros((0, len(classifier.labels)), np.float32)
