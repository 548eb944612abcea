"""One evaluation: a bundle or a checkpoint over labelled faces, for whom, under what, and where it fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from ...bundle import LABELS, Logits, open_bundle, write_text
from ...bundle.dataset import Dataset, Sample, Watch, read_dataset, unwatched
from ...bundle.scoring import SharedLabels, shared_labels
from ...devices.cpu import limit_threads
from ...errors import DatasetError, UsageError
from ...export.labelled import held_out, logits_of
from ...export.metrics import Classes, report
from ...runtime.inference.classifier import Classifier, choose_artifact
from ...words import counted
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
        split, label: which pictures (None: test, or valid where there is none), and the manifest's column of the truth.
        label_map: what folders that are no usual label mean; see `read_label_map`.
        groups: a CSV of path, gender, skin and age, for figures by group.
        corrupt: also under blur, noise, darkness, low resolution …
        threads: processor threads for a bundle.
    """

    data: Path
    bundle: Path | None = None
    precision: str = "auto"
    checkpoint: Path | None = None
    split: str | None = None
    label: str = "label"
    label_map: str | None = None
    groups: Path | None = None
    corrupt: bool = False
    threads: int = 1


@dataclass(frozen=True)
class Evaluation:
    """The figures, as metrics.json has them, and what they were computed from: N pictures, their logits and truth.

    `labels` are those that were scored, in the model's order; logits and truth are indexed by them.
    """

    figures: dict[str, Any]
    groups: list[fairness.Group]
    samples: list[Sample]
    logits: Logits
    truth: Classes
    labels: tuple[str, ...] = LABELS


def evaluate(
    options: EvaluateOptions, on_notice: Callable[[str], None] = lambda line: None, watch: Watch = unwatched
) -> Evaluation:
    """Measure a model; raises UsageError, DatasetError, BundleError.

    Args:
        on_notice: told how the data was read, what could not be, and how many pictures are in no group.
        watch: shows how far reading and measuring are.
    """
    if not options.checkpoint:
        limit_threads(options.threads)
    dataset = read_labelled(options.data, options.label, label_map=options.label_map, watch=watch, any_label=True)
    options = replace(options, split=options.split or held_out(dataset, options.data, on_notice))
    found, asked = truth_of(dataset, str(options.split), options.label, options.data)
    model = _open(options)
    shared = shared_labels(model.labels, dataset.labels, list(asked), options.data.name)
    for line in [*dataset.notes(str(options.split)), *shared.notices(), *model.notices]:
        on_notice(line)
    samples = [s for s, label in zip(found, asked, strict=True) if shared.place(int(label)) >= 0]
    truth = shared.truth([label for label in asked.tolist() if shared.place(label) >= 0])
    began = perf_counter()
    logits = shared.pick(model.logits(samples, watch))
    each = 1000 * (perf_counter() - began) / len(samples)
    about = {"model": model.name, "data": options.data.name, "split": options.split, "label": options.label}
    left_out = {"unreadable": len(dataset.unreadable_in(str(options.split))), **shared.facts()}
    figures = {**about, "ms_per_picture": each, **left_out, **evaluation.evaluate(logits, truth, shared.names)}
    groups = []
    if options.groups:
        right = [bool(r) for r in logits.argmax(axis=1) == truth]
        groups = fairness.by_group(_grouped(options.groups, options.data, samples, right, on_notice))
        figures["groups"] = [{**vars(g), "accuracy": g.accuracy, "too_small": g.too_small} for g in groups]
    if options.corrupt:
        figures["corrupted"] = _corrupted(model, samples, truth, shared, watch)
    return Evaluation(figures, groups, samples, logits, truth, shared.names)


def write_evaluation(found: Evaluation, out: Path) -> None:
    """Write metrics.json, the plots and the surest mistakes into a folder; raises OutputError, MissingExtra."""
    write_text(out / "metrics.json", json.dumps(found.figures, indent=1) + "\n")
    evaluation.plot_confusion(found.figures, found.labels, out / "confusion.png")
    evaluation.plot_confidence(found.logits, found.truth, out / "confidence.png")
    sheet = evaluation.contact_sheet(found.samples, found.logits, found.truth, found.labels)
    if sheet is not None:
        evaluation.write_sheet(sheet, out / "mistakes.png")


def read_labelled(
    data: Path,
    label: str,
    mixed_in: str = "",
    watch: Watch = unwatched,
    label_map: str | None = None,
    any_label: bool = False,
) -> Dataset:
    """The data with the asked label column, or with the second column that a recipe mixes in; raises UsageError."""
    second = mixed_in if label == "label" else label
    if mixed_in and second != mixed_in:
        raise UsageError(f"the recipe mixes in {mixed_in!r}, so --label cannot be {label!r}", hint="leave --label out")
    return read_dataset(data, second, watch=watch, label_map=label_map, any_label=any_label)


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


@dataclass(frozen=True)
class _Model:
    """What is measured: a checkpoint through torch, or a bundle through the runtime's backend."""

    name: str
    labels: tuple[str, ...]
    logits: Callable[[list[Sample], Watch], Logits]
    classifier: Classifier | None = None

    @property
    def notices(self) -> list[str]:
        """What people should know of its outputs."""
        return [self.classifier.notice] if self.classifier and self.classifier.notice else []


def _open(options: EvaluateOptions) -> _Model:
    if options.checkpoint:
        network, recipe = open_checkpoint(options.checkpoint)
        name = f"checkpoint {options.checkpoint.name} ({recipe.name})"
        return _Model(name, LABELS, lambda samples, watch: predict(network, samples, recipe.size, watch=watch))
    bundle = open_bundle(options.bundle)
    classifier = Classifier(bundle, choose_artifact(bundle, options.precision), options.threads)
    described = classifier.describe()
    name = f"{described['bundle']}, {described['artifact']}"
    return _Model(name, bundle.labels, lambda samples, watch: logits_of(classifier, samples, watch=watch), classifier)


def _corrupted(
    model: _Model, samples: list[Sample], truth: Classes, shared: SharedLabels, watch: Watch
) -> dict[str, dict[str, float]]:
    """Accuracy, mean recall and calibration error under each corruption."""
    if model.classifier is None:
        raise UsageError("--corrupt measures bundles, not checkpoints", hint="the same command with --bundle PATH")
    found = {}
    for name, alter in CORRUPTIONS.items():
        logits = shared.pick(logits_of(model.classifier, samples, alter, watch))
        figures = report(logits, truth, shared.names)
        found[name] = {k: figures[k] for k in ("accuracy", "mean_recall", "calibration_error")}
    return found


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
        on_notice(f"in no group: {counted(len(rows) - len(known), 'picture')}")
    return known
