"""One evaluation: a bundle or a checkpoint over labelled faces, for whom, under what, and where it fails."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from ...bundle import LABELS, Logits, add_artifacts, write_text
from ...bundle.dataset import SPLITS, Dataset, Sample, Watch, unwatched
from ...bundle.scoring import shared_labels
from ...devices.cpu import limit_threads
from ...errors import DatasetError, UsageError
from ...export.labelled import held_out
from ...export.metrics import Classes, report
from ...words import counted
from ..data.corruptions import CORRUPTIONS, SHIFTS
from . import augmentations, evaluation, resting
from .explain.pictures import write_pictures
from .explain.run import Explanation, explain_model
from .groups import report as group_report
from .groups.agreement import Agreement, Opinion, agreement
from .groups.answers import what_to_label
from .groups.grouping import Partition, partitions
from .groups.report import GroupReport
from .measured import Model, open_model
from .options import EvaluateOptions, check
from .truth import read_labelled, truth_of
from .unseen import HELD_OUT, held_out_faces, seen_before


@dataclass(frozen=True)
class Evaluation:
    """The figures, as metrics.json has them, and what they were computed from: N pictures, their logits and truth.

    `labels` are those that were scored, in the model's order; logits and truth are indexed by them. The truth is None
    where nobody labelled the pictures and only answers by group could be measured.
    """

    figures: dict[str, Any]
    groups: GroupReport | None
    samples: list[Sample]
    logits: Logits
    truth: Classes | None
    labels: tuple[str, ...] = LABELS
    explanation: Explanation | None = None


def evaluate(
    options: EvaluateOptions, on_notice: Callable[[str], None] = lambda line: None, watch: Watch = unwatched
) -> Evaluation:
    """Measure a model; raises UsageError, DatasetError, BundleError.

    Args:
        on_notice: told how the data was read, what could not be, and how many pictures are in no group.
        watch: shows how far reading and measuring are.
    """
    check(options)
    if not options.checkpoint:
        limit_threads(options.threads)
    dataset = read_labelled(
        options.data,
        options.label,
        label_map=options.label_map,
        watch=watch,
        any_label=True,
        margin=options.margin,
    )
    anyhow = options.groups or options.against
    if anyhow and not any(s.label is not None or s.second is not None for s in dataset.samples):
        return _unlabelled(options, dataset, on_notice, watch)
    return _labelled(options, dataset, on_notice, watch)


def _labelled(options: EvaluateOptions, dataset: Dataset, on_notice: Callable[[str], None], watch: Watch) -> Evaluation:
    """All the figures; pictures without a label are left out."""
    if options.split == HELD_OUT:
        raise DatasetError(
            f"{options.data} has labels, and a training holds out faces of sets without any",
            hint="the same command without --split, which measures on test",
        )
    options = replace(options, split=options.split or held_out(dataset, options.data, on_notice))
    found, asked = truth_of(dataset, str(options.split), options.label, options.data)
    model = open_model(options.bundle, options.precision, options.checkpoint, options.threads)
    shared = shared_labels(model.labels, dataset.labels, list(asked), options.data.name)
    for line in [*dataset.notes(str(options.split)), *shared.notices(), *model.notices]:
        on_notice(line)
    samples = [s for s, label in zip(found, asked, strict=True) if shared.place(int(label)) >= 0]
    truth = shared.truth([label for label in asked.tolist() if shared.place(label) >= 0])
    parts = partitions(str(options.groups), options.data, samples, on_notice) if options.groups else []
    rests = resting.find(options, dataset, samples, model.labels) if options.resting else None
    began = perf_counter()
    seen = model.logits(samples, watch)
    each = 1000 * (perf_counter() - began) / len(samples)
    logits = shared.pick(seen)
    left_out = {"unreadable": len(dataset.unreadable_in(str(options.split))), **shared.facts()}
    figures = {**_about(options, model, each), **left_out, **evaluation.evaluate(logits, truth, shared.names)}
    if rests:
        figures["resting"] = rests.measure(seen, model.logits(rests.further, watch), truth, shared)
    altered: dict[str, Logits] = {}
    if options.corrupt:
        wanted = CORRUPTIONS | (SHIFTS if parts else {})
        altered = {name: shared.pick(model.altered(alter, samples, watch)) for name, alter in wanted.items()}
        figures["corrupted"] = {name: _brief(altered[name], truth, shared.names) for name in CORRUPTIONS}
    if options.augmentations:
        figures["augmentations"] = augmentations.audit_model(options, samples, truth, shared.names, watch)
    explanation = explain_model(options, samples, truth, shared.names, watch) if options.explain else None
    if explanation:
        figures["explain"] = explanation.figures
    groups = None
    if options.groups or options.against:
        shifted = {name: altered[name] for name in SHIFTS if name in altered and parts}
        against = _against(options, model, parts, samples, logits, shared.names, on_notice, watch)
        groups = group_report.labelled(parts, logits, truth, shared.names, against, shifted)
        figures |= groups.facts()
    _write_card(options, groups, figures)
    return Evaluation(figures, groups, samples, logits, truth, shared.names, explanation)


def _about(options: EvaluateOptions, model: Model, each: float) -> dict[str, Any]:
    about = {"model": model.name, "data": options.data.name, "split": options.split, "label": options.label}
    return {**about, "ms_per_picture": each}


def _unlabelled(
    options: EvaluateOptions, dataset: Dataset, on_notice: Callable[[str], None], watch: Watch
) -> Evaluation:
    """Answers to pictures that nobody labelled, by group where asked for; those of no group are left out."""
    if options.explain or options.augmentations:
        raise DatasetError(
            f"nobody labelled the pictures of {options.data}, so which answers are right is not known",
            hint="the same command without --explain and --augmentations",
        )
    if options.resting:
        raise DatasetError(
            f"nobody labelled the pictures of {options.data}, so which face is at rest is not known",
            hint="the same command without --resting",
        )
    if options.card and not options.against:
        raise UsageError(
            "pictures without labels give no figures by group for a model card",
            cause="answers alone do not say whether they are right",
            hint="the same command with --against BUNDLE",
        )
    split = options.split or (dataset.held_out if dataset.split(dataset.held_out) else "")
    model = open_model(options.bundle, options.precision, options.checkpoint, options.threads)
    if split == HELD_OUT:
        samples = held_out_faces(dataset, model.provenance, options.data)
    else:
        samples = [s for s in dataset.samples if split in ("", s.split)]
        if said := seen_before(dataset, model.provenance, options.data):
            on_notice(said)
    if not samples:
        raise DatasetError(f"{options.data} has no picture in the split {split!r}", hint="the same command without it")
    parts = partitions(str(options.groups), options.data, samples, on_notice) if options.groups else []
    if parts:
        grouped = np.any([part.members >= 0 for part in parts], axis=0)
        parts = [part.of(grouped) for part in parts]
        samples = [s for s, is_in in zip(samples, grouped, strict=True) if is_in]
    options = replace(options, split=split or "all")
    by = "by group" if parts else "with other models'"
    on_notice(f"nobody labelled an expression: answers to {counted(len(samples), 'picture')} are compared {by}")
    for line in [*dataset.notes(split), *model.notices]:
        on_notice(line)
    began = perf_counter()
    logits = model.logits(samples, watch)
    figures = _about(options, model, 1000 * (perf_counter() - began) / len(samples))
    against = _against(options, model, parts, samples, logits, model.labels, on_notice, watch)
    altered = {n: model.altered(alter, samples, watch) for n, alter in SHIFTS.items()} if options.corrupt else {}
    advice = what_to_label(parts, model.labels, options.data, _command(options, split or samples[0].split))
    groups = group_report.unlabelled(parts, logits, model.labels, against, altered, advice)
    unreadable = dataset.unreadable_in(split) if split in SPLITS else dataset.unreadable
    figures |= {"unreadable": len(unreadable), "images": len(samples)}
    _write_card(options, groups, figures)
    return Evaluation({**figures, **groups.facts()}, groups, samples, logits, None, model.labels)


def _command(options: EvaluateOptions, split: str) -> str:
    """What measures the same again once there are labels, in a split that has pictures."""
    model = ["--bundle", str(options.bundle)] if options.bundle else []
    words = ["--data", str(options.data), "--split", split]
    words += ["--margin", f"{options.margin:g}"] if options.margin else []
    words += ["--groups", options.groups] if options.groups else []
    return shlex.join(["fer-edge", "evaluate", *model, *words])


def _against(
    options: EvaluateOptions,
    model: Model,
    parts: Sequence[Partition],
    samples: list[Sample],
    logits: Logits,
    labels: Sequence[str],
    on_notice: Callable[[str], None],
    watch: Watch,
) -> Agreement | None:
    """Where other models agree, if any were named."""
    others = []
    for choice in options.against:
        other = open_model(choice.bundle, threads=options.threads)
        if other.name == model.name:
            on_notice(f"--against {choice.bundle} is the measured model, which agrees with itself")
        others.append(Opinion(other.name, other.labels, other.logits(samples, watch), choice.weight))
    return agreement(parts, logits, labels, others) if others else None


def _write_card(options: EvaluateOptions, groups: GroupReport | None, figures: Mapping[str, Any]) -> None:
    if options.card and options.bundle:
        about = {"set": f"{options.data.name}/{options.split}", "images": figures["images"], "model": figures["model"]}
        found = {"groups": groups.card(about)} if groups and options.groups else {}
        found |= {"resting": {**about, **figures["resting"]}} if "resting" in figures else {}
        add_artifacts(options.bundle, (), {}, metrics=found)


def write_evaluation(found: Evaluation, out: Path) -> None:
    """Write metrics.json, and with a truth plots and the surest mistakes; raises OutputError, MissingExtra."""
    write_text(out / "metrics.json", json.dumps(found.figures, indent=1) + "\n")
    if found.truth is None:
        return
    evaluation.plot_confusion(found.figures, found.labels, out / "confusion.png")
    evaluation.plot_confidence(found.logits, found.truth, out / "confidence.png")
    if found.explanation:
        write_pictures(found.explanation, out)
    sheet = evaluation.contact_sheet(found.samples, found.logits, found.truth, found.labels)
    if sheet is not None:
        evaluation.write_sheet(sheet, out / "mistakes.png")


def _brief(logits: Logits, truth: Classes, labels: tuple[str, ...]) -> dict[str, float]:
    """What is told of each corruption."""
    figures = report(logits, truth, labels)
    return {k: figures[k] for k in ("accuracy", "mean_recall", "calibration_error")}
