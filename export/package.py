"""From a trained network to a bundle: two graphs, measured through the runtime's own backend."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle import Artifact, Bundle, Image, InputSpec, Manifest, describe_file, parity, save_bundle
from ..bundle.manifest import CARD
from ..bundle.model_card import model_card
from ..runtime.inference.classifier import Classifier
from .calibration import calibration_set
from .consumers import limits
from .gate import Evaluate
from .graph import load_float32
from .onnx import export_network, store_float16
from .quantize import quantize_int8

FLOAT32 = "float32.onnx"


def package(
    network: Any,
    out: Path,
    *,
    name: str,
    version: str,
    labels: Sequence[str],
    size: int,
    normalise: str,
    pictures: Sequence[Image],
    calibration: Mapping[str, Any],
    evaluate: Evaluate,
    provenance: Mapping[str, Any],
    licence: str,
) -> Bundle:
    """Export a network as float16-stored and int8 ONNX, measure both, and write the bundle in one step.

    Args:
        network: torch module, uint8 (1, S, S, 3) RGB -> logits.
        out: the bundle folder.
        pictures: calibration crops, uint8 (S, S, 3).
        calibration: where they come from, for the manifest.

    Raises:
        OutputError, MissingExtra, InputError: as the steps do.
    """
    pictures = calibration_set(pictures, size)
    manifest = Manifest(name, version, tuple(labels), InputSpec(size, normalise=normalise), (), {}, provenance, licence)
    with tempfile.TemporaryDirectory() as folder:
        export_network(network, size, Path(folder) / FLOAT32)
        return bundle_of(Path(folder), out, manifest, pictures, calibration, evaluate)


def bundle_of(
    work: Path,
    out: Path,
    manifest: Manifest,
    pictures: Sequence[Image],
    calibration: Mapping[str, Any],
    evaluate: Evaluate,
) -> Bundle:
    """The bundle of the float32 graph in `work`: stored as float16 and int8 there, measured, written in one step.

    Args:
        manifest: all but artifacts and metrics.
        pictures, calibration: as `package` takes them, of the graph's size.

    Raises:
        OutputError, MissingExtra, InputError: as the steps do.
    """
    settings, report = store_graphs(pictures, work)
    artifacts = (
        _artifact(work, "model.onnx", "float16", {}, report),
        _artifact(work, "onnx/model_int8.onnx", "int8", {**calibration, **settings}, report),
    )
    manifest = _measure(Bundle(work, replace(manifest, artifacts=artifacts)), pictures, evaluate)
    (work / CARD).write_text(model_card(manifest), encoding="utf-8")
    files = {p: work / p for p in [*(a.path for a in artifacts), CARD]}
    return save_bundle(out, manifest, files)


def write_graphs(
    network: Any, size: int, pictures: Sequence[Image], work: Path
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write model.onnx and onnx/model_int8.onnx; returns the settings of int8, and who cannot read them.

    Raises UnsupportedGraph, MissingExtra: the network has layers that cannot be exported; onnx is absent.
    """
    export_network(network, size, work / FLOAT32)
    return store_graphs(pictures, work)


def store_graphs(pictures: Sequence[Image], work: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """As `write_graphs`, of a graph that is in the folder as float32."""
    (work / "onnx").mkdir()
    report = limits(load_float32(work / FLOAT32), "onnx")
    store_float16(work / FLOAT32, work / "model.onnx")
    return quantize_int8(work / FLOAT32, work / "onnx/model_int8.onnx", pictures), report


def _artifact(
    work: Path, path: str, precision: str, calibration: Mapping[str, Any], report: Mapping[str, Any]
) -> Artifact:
    digest, size = describe_file(work / path)
    tools = {t: version(t) for t in ("onnx", "onnxruntime", "torch")}
    return Artifact(path, "onnx", precision, digest, size, built_with=tools, calibration=calibration, report=report)


def _measure(bundle: Bundle, pictures: Sequence[Image], evaluate: Evaluate) -> Manifest:
    """The manifest with each artifact's accuracy and its parity against the first, and the first one's as its own."""
    measured, reference = [], None
    for artifact in bundle.manifest.artifacts:
        classifier = Classifier(bundle, artifact, threads=2)
        logits = classifier.logits(np.stack(pictures))
        reference = logits if reference is None else reference
        figures = evaluate(classifier)
        classifier.close()
        measured.append(replace(artifact, metrics=figures, parity=parity(reference, logits)))
    where = {**bundle.manifest.provenance, "packaged_on": platform.machine()}
    return replace(bundle.manifest, artifacts=tuple(measured), metrics=measured[0].metrics, provenance=where)
