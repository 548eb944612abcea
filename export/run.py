"""One export: choose the targets, build, hold each artifact against the gate, and add them all in one step."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from ..bundle import Artifact, Bundle, Manifest, add_artifacts
from ..errors import DeviceNotFound, UsageError
from ..runtime.inference.classifier import Classifier
from .consumers import check_form
from .gate import Evaluate, Gate
from .job import Built, Job, Target

TARGETS = {
    "onnx": "onnx_runtime",
    "openvino": "openvino_ir",
    "edgetpu": "edgetpu",
    "tensorrt": "tensorrt",
    "rknn": "rknn",
    "ethos-u": "ethos_u",
}
"""Target -> module of `targets`."""
ALL = "all"


def target_module(name: str) -> Target:
    """The module of a target."""
    return cast(Target, importlib.import_module(f"{__package__}.targets.{TARGETS[name]}"))


def choose(wanted: str, precision: str | None, chip: str | None, options: Mapping[str, object]) -> list[str]:
    """Names of the targets to make, in order; for `all`, those whose tools are here.

    Raises:
        UsageError: the target has no such precision or chip; DeviceNotFound: its tools are absent.
    """
    if wanted == ALL:
        return [name for name in TARGETS if name in _fitting(precision) and not target_module(name).missing(options)]
    module = target_module(wanted)
    if precision and precision not in module.PRECISIONS:
        raise UsageError(
            f"{wanted} has no {precision}", cause="it has " + ", ".join(module.PRECISIONS), hint="leave --precision out"
        )
    chips = getattr(module, "CHIPS", ())
    if chip and not chips:
        raise UsageError(f"--chip says nothing to {wanted}", hint="leave --chip out")
    prepare = getattr(module, "prepare", None)
    if prepare is None and (how := module.missing(options)):
        raise DeviceNotFound(f"the tools for {wanted} are not installed here", cause="they are optional", hint=how)
    return [wanted]


def left_out(precision: str | None, options: Mapping[str, object]) -> dict[str, str]:
    """Targets that `all` cannot make here -> how to get their tools."""
    absent = {name: target_module(name).missing(options) for name in _fitting(precision)}
    return {name: how for name, how in absent.items() if how}


def export(
    job: Job,
    names: Sequence[str],
    *,
    precision: str | None = None,
    chip: str | None = None,
    evaluate: Evaluate | None = None,
    threads: int = 1,
    card: Callable[[Manifest], str] | None = None,
) -> list[Artifact]:
    """Make artifacts and add them to the job's destination, all of them or none.

    Args:
        names: targets, from `choose`.
        precision, chip: only these; None makes what is usual.
        evaluate: runs a classifier over the labelled set.
        card: writes the model card anew.

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
        for precision_, chip_ in _variants(module, precision, chip):
            job.say(f"{name} {precision_} {chip_}".rstrip())
            made.append(_measured(job, gate, module.build(job, precision_, chip_), threads))
    files = {path: job.work / path for artifact in made for path in artifact.files}
    add_artifacts(job.destination, made, files, card)
    return made


def _gate(job: Job, evaluate: Evaluate | None, threads: int) -> Gate:
    """What the bundle's own graph says of the calibration pictures and the labelled set."""
    reference = Classifier(job.bundle, job.bundle.reference, threads)
    pictures = np.stack(list(job.pictures))
    figures = evaluate(reference) if evaluate else None
    trained = job.bundle.manifest.provenance.get("weights") != "random"
    gate = Gate(pictures, reference.logits(pictures), evaluate, figures, trained=trained)
    reference.close()
    return gate


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
    for note in built.notes:
        job.say(note)
    return artifact


def _variants(module: Target, precision: str | None, chip: str | None) -> Iterator[tuple[str, str]]:
    chips = (chip,) if chip else getattr(module, "CHIPS", ("",))
    for one in (precision,) if precision else module.USUAL:
        for other in chips:
            yield one, other


def _fitting(precision: str | None) -> list[str]:
    return [name for name in TARGETS if precision is None or precision in target_module(name).PRECISIONS]


def own_copy(bundle: Bundle, out: Path) -> Path:
    """A copy of a bundle to add to; raises UsageError when another model's bundle is there already."""
    from ..bundle import open_bundle, save_bundle

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
