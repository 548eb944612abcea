"""One evaluation: a bundle or a checkpoint over labelled faces, for whom, under what, and where it fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from ...bundle import LABELS, Logits, open_bundle, write_text
from ...bundle.dataset import Dataset, Sample, Watch, read_dataset, unwatched
from ...devices.cpu import limit_threads
from ...errors import DatasetError, UsageError
from ...export.labelled import logits_of
from ...export.metrics import Classes, report
from ...runtime.inference.classifier import Classifier, choose_artifact
from ..data.corruptions import CORRUPTIONS
from ..network import open_checkpoint
from . import evaluation, fairness
from .predict import predict


@dataclass(frozen=True)
class EvaluateOptions:
    """What to measure on what.

    Attributes:
        data: class folders, or a CSV manifest.
        bundle, precision: the model; the bundle inside fer-edge when None.
        checkpoint: a .pt file of a training instead of a bundle.
        split, label: which pictures, and the manifest's column that holds the truth.
        groups: a CSV of path, gender, skin and age, for figures by group.
        corrupt: also under blur, noise, darkness, low resolution …
        threads: processor threads for a bundle.
    """

    data: Path
    bundle: Path | None = None
    precision: str = "auto"
    checkpoint: Path | None = None
    split: str = "test"
    label: str = "label"
    groups: Path | None = None
    corrupt: bool = False
    threads: int = 1


@dataclass(frozen=True)
class Evaluation:
    """The figures, as metrics.json has them, and what they were computed from: N pictures, their logits and truth."""

    figures: dict[str, Any]
    groups: list[fairness.Group]
    samples: list[Sample]
    logits: Logits
    truth: Classes


def evaluate(
    options: EvaluateOptions, on_notice: Callable[[str], None] = lambda line: None, watch: Watch = unwatched
) -> Evaluation:
    """Measure a model; raises UsageError, DatasetError, BundleError.

    Args:
        on_notice: told how many pictures are in no group.
        watch: shows how far reading and measuring are.
    """
    if not options.checkpoint:
        limit_threads(options.threads)
    dataset = read_labelled(options.data, options.label, watch=watch)
    samples, truth = truth_of(dataset, options.split, options.label, options.data)
    logits, about = _logits(options, samples, watch)
    figures = {**about, **evaluation.evaluate(logits, truth, LABELS)}
    groups = []
    if options.groups:
        right = [bool(r) for r in logits.argmax(axis=1) == truth]
        groups = fairness.by_group(_grouped(options.groups, options.data, samples, right, on_notice))
        figures["groups"] = [{**vars(g), "accuracy": g.accuracy, "too_small": g.too_small} for g in groups]
    if options.corrupt:
        figures["corrupted"] = _corrupted(options, samples, truth, watch)
    return Evaluation(figures, groups, samples, logits, truth)


def write_evaluation(found: Evaluation, out: Path) -> None:
    """Write metrics.json, the plots and the surest mistakes into a folder; raises OutputError, MissingExtra."""
    write_text(out / "metrics.json", json.dumps(found.figures, indent=1) + "\n")
    evaluation.plot_confusion(found.figures, LABELS, out / "confusion.png")
    evaluation.plot_confidence(found.logits, found.truth, out / "confidence.png")
    sheet = evaluation.contact_sheet(found.samples, found.logits, found.truth, LABELS)
    if sheet is not None:
        evaluation.write_sheet(sheet, out / "mistakes.png")


def read_labelled(data: Path, label: str, mixed_in: str = "", watch: Watch = unwatched) -> Dataset:
    """The data with the asked label column, or with the second column that a recipe mixes in; raises UsageError."""
    second = mixed_in if label == "label" else label
    if mixed_in and second != mixed_in:
        raise UsageError(f"the recipe mixes in {mixed_in!r}, so --label cannot be {label!r}", hint="leave --label out")
    return read_dataset(data, second, watch=watch)


def truth_of(dataset: Dataset, split: str, label: str, data: Path) -> tuple[list[Sample], Classes]:
    """The split's pictures that have the asked label, and those labels; raises DatasetError when there are none."""
    pairs = [(s, s.label if label == "label" else s.second) for s in dataset.split(split)]
    kept = [(s, found) for s, found in pairs if found is not None]
    if not kept:
        raise DatasetError(
            f"{data} has no labelled picture in the split {split!r}",
            cause="class folders without split folders have train and valid only",
            hint="--split valid",
        )
    return [s for s, _ in kept], np.array([found for _, found in kept], np.int64)


def _logits(options: EvaluateOptions, samples: list[Sample], watch: Watch) -> tuple[Logits, dict[str, Any]]:
    """Logits of a checkpoint through torch, or of a bundle through the runtime's backend; and what they are of."""
    began = perf_counter()
    if options.checkpoint:
        network, recipe = open_checkpoint(options.checkpoint)
        logits = predict(network, samples, recipe.size, watch=watch)
        name = f"checkpoint {options.checkpoint.name} ({recipe.name})"
    else:
        classifier = _open(options)
        logits = logits_of(classifier, samples, watch=watch)
        described = classifier.describe()
        name = f"{described['bundle']}, {described['artifact']}"
    each = 1000 * (perf_counter() - began) / len(samples)
    about = {"model": name, "data": options.data.name, "split": options.split, "label": options.label}
    return logits, {**about, "ms_per_picture": each}


def _corrupted(
    options: EvaluateOptions, samples: list[Sample], truth: Classes, watch: Watch
) -> dict[str, dict[str, float]]:
    """Accuracy, mean recall and calibration error under each corruption."""
    if options.checkpoint:
        raise UsageError("--corrupt measures bundles, not checkpoints", hint="fer-edge evaluate --bundle B --corrupt …")
    classifier = _open(options)
    found = {}
    for name, alter in CORRUPTIONS.items():
        figures = report(logits_of(classifier, samples, alter, watch), truth, classifier.labels)
        found[name] = {k: figures[k] for k in ("accuracy", "mean_recall", "calibration_error")}
    return found


def _open(options: EvaluateOptions) -> Classifier:
    """The bundle's artifact through the runtime's backend."""
    bundle = open_bundle(options.bundle)
    return Classifier(bundle, choose_artifact(bundle, options.precision), options.threads)


def _grouped(
    groups: Path, data: Path, samples: list[Sample], right: list[bool], on_notice: Callable[[str], None]
) -> list[tuple[dict[str, str], bool]]:
    """Each picture's groups and whether it was right; pictures without a row are left out and counted."""
    table = fairness.read_groups(groups)
    root = data if data.is_dir() else data.parent
    rows = [(table.get(str(s.path.relative_to(root))), ok) for s, ok in zip(samples, right, strict=True)]
    known = [(values, ok) for values, ok in rows if values is not None]
    if not known:
        raise DatasetError(
            f"no path of {groups} names a picture of {data}",
            cause="paths are relative to the data folder, as in the manifest",
            hint=f"head -2 {groups}",
        )
    if len(known) < len(rows):
        on_notice(f"{len(rows) - len(known)} pictures are in no group")
    return known
