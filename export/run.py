"""One export: choose the targets, build, hold each artifact against the gate, and add them all in one step."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle import Artifact, Bundle, Image, add_artifacts, open_bundle, save_bundle, writing_folder
from ..bundle.dataset import Watch, unwatched
from ..bundle.portraits import portraits
from ..devices.cpu import limit_threads, usable_cores
from ..errors import UsageError
from ..runtime.inference.classifier import Classifier
from .calibration import calibration_set, digest_of
from .consumers import check_form
from .gate import Evaluate, Gate
from .job import Built, Job, check_place
from .labelled import calibration_faces, evaluation
from .quantize import Ranges, quantised, read_ranges
from .targets import ALL, choose, left_out, target_module, variants
from .targets.edgetpu_docker import require_docker

PICTURES = 512
PORTRAITS = "32 portraits of one face"
"""Where the ranges of a bundle come from that was quantised with no faces of anybody's."""


@dataclass(frozen=True)
class ExportOptions:
    """What to export, and what to hold it against.

    Attributes:
        bundle: a folder, a .zip, or the name of one that ships.
        target: onnx, openvino, edgetpu, tensorrt, rknn, ethos-u; hailo, which makes a folder beside the bundle; or all
            others whose tools are installed.
        calibration: a folder of real faces; of these `pictures` are drawn by `seed`. None takes the ranges that the
            bundle's own int8 graph has, or those of the 32 portraits, and holds the result against these.
        out: add to a copy of the bundle, made here; None adds to the bundle itself.
        precision, chip: only this one; None makes what is usual.
        labelled, split: labelled faces to measure accuracy on, too; None: their test, or valid where there is none.
        label_map: what folders that are no usual label mean; see `read_label_map`.
        rknn_python: an interpreter that has rknn-toolkit2.
        compiler: of the Edge TPU: docker, or None for the one on PATH, if there is one.
        threads: processor threads for measuring, None for all.
    """

    bundle: Path | str
    target: str
    calibration: Path | None = None
    out: Path | None = None
    precision: str | None = None
    chip: str | None = None
    pictures: int = PICTURES
    labelled: Path | None = None
    split: str | None = None
    label_map: str | None = None
    seed: int = 42
    rknn_python: Path | None = None
    compiler: str | None = None
    threads: int | None = None


@dataclass(frozen=True)
class ExportResult:
    """The bundle as it now is, the entries that were added to its manifest, and the targets that `all` left out."""

    bundle: Bundle
    added: list[Artifact]
    left_out: dict[str, str]


def export(
    bundle: Path | str, *, target: str, out: Path | str, calibration: Path | str | None = None, **more: Any
) -> ExportResult:
    """Export a bundle into a copy of it; the Python API's door to `export_bundle`.

    Args:
        bundle, target, out, calibration: see ExportOptions, as is `more`, which holds its other fields.
    """
    return export_bundle(ExportOptions(bundle, target, Path(calibration) if calibration else None, Path(out), **more))


def export_bundle(
    options: ExportOptions, on_notice: Callable[[str], None] = lambda line: None, watch: Watch = unwatched
) -> ExportResult:
    """Build, measure, add; nothing is added unless everything passes.

    Args:
        on_notice: told what is being made, and what was left out and why.
        watch: shows how far the reading and measuring of pictures is.

    Raises:
        UsageError, DatasetError, DeviceNotFound: something asked for is not there; and as `add_targets`.
    """
    bundle = open_bundle(options.bundle)
    tools = {"rknn_python": options.rknn_python, "compiler": options.compiler}
    names = choose(options.target, options.precision, options.chip, tools)
    if options.compiler == "docker" and "edgetpu" in names:
        require_docker()  # before anything is built
    if options.out is None:
        check_place(options.bundle, bundle, hint="the same command with --out my-bundle")
    crops, calibration, ranges = calibrate(options, bundle, on_notice, watch)
    evaluate = evaluation(options.labelled, options.split, options.seed, watch, on_notice, options.label_map)
    if evaluate:
        evaluate.check(bundle.labels)
    skipped = left_out(options.precision, tools) if options.target == ALL else {}
    for name, how in skipped.items():
        on_notice(f"left out: {name}, whose tools are not installed; {how}")
    destination = own_copy(bundle, options.out) if options.out else bundle.folder
    with tempfile.TemporaryDirectory(prefix="fer-edge-export-") as work:
        job = Job(bundle, Path(work), destination, crops, calibration, ranges, tools, on_notice)
        threads = options.threads or usable_cores()
        limit_threads(threads)
        made = add_targets(
            job, names, precision=options.precision, chip=options.chip, evaluate=evaluate, threads=threads
        )
    return ExportResult(open_bundle(destination), made, skipped)


def calibrate(
    options: ExportOptions, bundle: Bundle, on_notice: Callable[[str], None], watch: Watch
) -> tuple[list[Image], dict[str, str], Ranges | None]:
    """Crops for the gate, where the activations' ranges come from, and these, unless they are measured on the crops."""
    own, size = quantised(bundle), bundle.manifest.input.size
    if options.calibration is None and own is not None and own.calibration.get("source") != PORTRAITS:
        on_notice("no --calibration: the bundle's own ranges are taken, and 32 portraits held against the model")
        return portraits(size), {"source": own.path, "digest": own.sha256}, read_ranges(bundle.path(own))
    if options.calibration is None:
        on_notice(
            f"no --calibration, and no ranges of other faces in the bundle: {PORTRAITS} are held against the model, "
            "and int8 takes its ranges from them; with --calibration FACES it fits more faces"
        )
        crops = portraits(size)
        return crops, {"source": PORTRAITS, "digest": digest_of(crops)}, None
    faces = calibration_faces(
        options.calibration, options.pictures, options.seed, "export", on_notice, watch, options.label_map
    )
    crops = calibration_set(faces, size)
    return crops, {"source": options.calibration.name, "digest": digest_of(crops)}, None


def add_targets(
    job: Job,
    names: Sequence[str],
    *,
    precision: str | None = None,
    chip: str | None = None,
    evaluate: Evaluate | None = None,
    threads: int = 1,
) -> list[Artifact]:
    """Make artifacts and add them to the job's destination, all of them or none.

    Args:
        names: targets, from `choose`.
        precision, chip: only these; None makes what is usual.
        evaluate: runs a classifier over the labelled set.

    Returns:
        their entries in the manifest.

    Raises:
        GateFailed: one does not agree with the model; UnsupportedGraph, ConversionFailed, OutputError: as they say.
    """
    check_form(job.graph)
    gate = _gate(job, evaluate, threads)
    made = []
    for name in names:
        module = target_module(name)
        if prepare := getattr(module, "prepare", None):
            prepare(job.options, job.say)
        for precision_, chip_ in variants(module, precision, chip):
            if evaluate is None and (kept := _measured_before(job, name, precision_, chip_)):
                job.say(f"{kept.path} stays: a new one would lose its measured accuracy; --labelled DIR measures it")
                continue
            job.say(f"{name} {precision_} {chip_}".rstrip())
            built = module.build(job, precision_, chip_)
            artifact = _measured(job, gate, built, threads)
            if built.beside:
                _put_beside(job, built.beside)
            else:
                made.append(artifact)
            for note in built.notes:
                job.say(note)
    if made:
        files = {path: job.work / path for artifact in made for path in artifact.files}
        add_artifacts(job.destination, made, files)
    return made


def _gate(job: Job, evaluate: Evaluate | None, threads: int) -> Gate:
    """What the bundle's own graph says of the calibration pictures and the labelled set."""
    reference = Classifier(job.bundle, job.bundle.reference, threads)
    pictures = np.stack(list(job.pictures))
    figures = evaluate(reference) if evaluate else None
    trained = job.bundle.manifest.provenance.get("weights") != "random"
    gate = Gate(pictures, reference.answers(pictures), evaluate, figures, trained, job.bundle.reference.precision)
    reference.close()
    return gate


def _measured_before(job: Job, target: str, precision: str, chip: str) -> Artifact | None:
    """The artifact of that kind in the destination that has figures of a labelled set."""
    wanted = (target, precision, chip)
    for artifact in open_bundle(job.destination).manifest.artifacts:
        if artifact.metrics and (artifact.target, artifact.precision, artifact.report.get("chip", "")) == wanted:
            return artifact
    return None


def _measured(job: Job, gate: Gate, built: Built, threads: int) -> Artifact:
    """The artifact with its figures, once through the gate."""
    runs = built.runs or built.artifact
    view = Bundle(job.work, replace(job.bundle.manifest, artifacts=(runs,)))
    try:
        classifier = Classifier(view, runs, threads, built.backend)
        artifact = gate.measure(built.artifact, classifier)
        classifier.close()
    finally:
        if built.backend is not None:
            built.backend.close()
    return artifact


def _put_beside(job: Job, name: str) -> None:
    """What a target prepared for a compiler elsewhere, in a folder of its own, in one step; raises OutputError."""
    with writing_folder(job.beside(name)) as folder:
        shutil.copytree(job.work / name, folder, dirs_exist_ok=True)


def own_copy(bundle: Bundle, out: Path) -> Path:
    """A copy of a bundle to add to; raises UsageError when another model's bundle is there already."""
    if (out / "bundle.json").is_file():
        there = open_bundle(out)
        if there.reference.sha256 != bundle.reference.sha256:
            raise UsageError(
                f"{out} holds another model ({there.manifest.name} {there.manifest.version})",
                hint="choose another --out, or export that bundle itself",
            )
        return out
    files = {name: bundle.folder / name for a in bundle.manifest.artifacts for name in a.files}
    if (bundle.folder / "MODEL_CARD.md").is_file():
        files["MODEL_CARD.md"] = bundle.folder / "MODEL_CARD.md"
    save_bundle(out, bundle.manifest, files)
    return out
