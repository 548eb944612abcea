"""Labelled faces, as an export, a benchmark and a training use them: to calibrate with, and to measure on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle import Image, Logits, whole_image
from ..bundle.dataset import (
    SUFFIXES,
    Dataset,
    Sample,
    Watch,
    balanced,
    pictures_below,
    read_dataset,
    read_face,
    read_image,
    unwatched,
)
from ..bundle.scoring import SharedLabels, shared_labels
from ..errors import DatasetError, UsageError
from ..runtime.inference.classifier import Classifier
from .metrics import report

Say = Callable[[str], None]


def calibration_faces(
    folder: Path | None,
    count: int,
    seed: int,
    command: str,
    on_notice: Say = lambda line: None,
    watch: Watch = unwatched,
    label_map: str | None = None,
) -> list[Image]:
    """Up to `count` calibration pictures: as many of each label as there are, or a folder's pictures as they come.

    Args:
        command: what was typed, for the error without a folder.
        on_notice: told that the folder has no labels, or how it was read.
        label_map: what folders that are no usual label mean.

    Raises:
        UsageError, DatasetError: no folder, or nothing usable in it.
    """
    if folder is None:
        raise UsageError(
            f"fer-edge {command.split()[0]} needs --calibration DIR",
            cause="every artifact is held against the model on real faces before it leaves",
            hint=f"fer-edge {command} --calibration FOLDER-OF-FACES",
        )
    flat = any(p.suffix.lower() in SUFFIXES for p in folder.glob("*"))
    if flat and not (folder / "manifest.csv").is_file():
        on_notice(f"{folder} has no labels: its pictures are taken as they come")
        return [read_image(p) for p in pictures_below(folder)[0][:count]]
    dataset = read_dataset(folder, "", seed, watch, label_map=label_map, any_label=True)
    for line in dataset.notes("train"):
        on_notice(line)
    return [read_face(s) for s in balanced(dataset.split("train"), count, seed)]


@dataclass(frozen=True)
class Evaluation:
    """Runs artifacts over one labelled split; its name is the set's, `on_notice` is told what cannot be scored."""

    dataset: Dataset
    split: str
    name: str
    watch: Watch
    on_notice: Say

    def __call__(self, classifier: Classifier) -> dict[str, Any]:
        """The figures of `measure`."""
        return measure(classifier, self.dataset, self.split, self.name, self.watch, self.on_notice)

    def check(self, labels: Sequence[str]) -> None:
        """Raises DatasetError, before anything was run, where a model of these labels cannot be measured on the set."""
        _shared(labels, self.dataset, self.split, self.name)


def evaluation(
    folder: Path | None,
    split: str | None,
    seed: int,
    watch: Watch = unwatched,
    on_notice: Say = lambda line: None,
    label_map: str | None = None,
) -> Evaluation | None:
    """What runs an artifact over a labelled folder; None without one.

    Args:
        split: None takes test, or valid where there is none.
        on_notice: told how the folder was read, and once for each set of labels what cannot be scored.

    Raises:
        DatasetError: nothing labelled in the split.
    """
    if folder is None:
        return None
    dataset = read_dataset(folder, "", seed, watch, label_map=label_map, any_label=True)
    split = split or held_out(dataset, folder, on_notice)
    if not any(s.label is not None for s in dataset.split(split)):
        raise DatasetError(f"{folder} has no labelled pictures in its {split} split", hint="choose a --split")
    for line in dataset.notes(split):
        on_notice(line)
    told: set[str] = set()

    def tell(line: str) -> None:
        if line not in told:
            told.add(line)
            on_notice(line)

    return Evaluation(dataset, split, f"{folder.name}/{split}", watch, tell)


def held_out(dataset: Dataset, folder: Path, on_notice: Say) -> str:
    """The split to measure on where none was asked for; told when it is not test."""
    if dataset.held_out != "test":
        on_notice(f"{folder} has no test pictures: measured on valid")
    return dataset.held_out


def measure(
    classifier: Classifier,
    dataset: Dataset,
    split: str,
    name: str,
    watch: Watch = unwatched,
    on_notice: Say = lambda line: None,
) -> dict[str, Any]:
    """Figures on a split by its label; `second` by the other column, `unseen` without copies of training pictures.

    Args:
        name: of the set, as the manifest is to call it.
        on_notice: told what model and data do not share, which is not scored.

    Raises:
        DatasetError: they share too little.
    """
    used, shared = _shared(classifier.labels, dataset, split, name)
    for line in (*shared.notices(), *([classifier.notice] if classifier.notice else [])):
        on_notice(line)
    logits = shared.pick(logits_of(classifier, used, watch=watch))
    labels = shared.names
    truth, other = shared.truth([s.label for s in used]), shared.truth([s.second for s in used])
    trained_on = {s.content for s in dataset.split("train")}
    fresh = np.array([s.content not in trained_on for s in used])
    figures = {"set": name, **report(logits[truth >= 0], truth[truth >= 0], labels), **shared.facts()}
    if dataset.second_label and (other >= 0).any():
        figures["second"] = {"label": dataset.second_label, **report(logits[other >= 0], other[other >= 0], labels)}
    if not fresh.all():
        kept = fresh & (truth >= 0)
        figures["unseen"] = report(logits[kept], truth[kept], labels)
    if bad := dataset.unreadable_in(split):
        figures["unreadable"] = len(bad)
    return figures


def _shared(labels: Sequence[str], dataset: Dataset, split: str, name: str) -> tuple[list[Sample], SharedLabels]:
    """The labelled pictures of a split, and what a model of these labels has in common with them."""
    used = [s for s in dataset.split(split) if s.label is not None or s.second is not None]
    return used, shared(labels, dataset, used, name)


def shared(labels: Sequence[str], dataset: Dataset, samples: Sequence[Sample], name: str) -> SharedLabels:
    """What a model of these labels has in common with pictures; raises DatasetError, calling them `name`."""
    asked = [label for s in samples for label in (s.label, s.second)]
    return shared_labels(labels, dataset.labels, asked, name)


def logits_of(
    classifier: Classifier,
    samples: Sequence[Sample],
    alter: Callable[[Image, int], Image] | None = None,
    watch: Watch = unwatched,
) -> Logits:
    """Logits float32 (N, classes), one picture at a time as on a device; each altered first, with its place as seed."""
    rows = []
    for place, sample in enumerate(watch(samples, desc=f"measuring {classifier.artifact.precision}")):
        picture = read_face(sample)
        crop = whole_image(picture if alter is None else alter(picture, place), classifier.size)
        rows.append(classifier.logits(crop[None])[0])
    return np.stack(rows) if rows else np.zeros((0, len(classifier.labels)), np.float32)
