"""A finished model that says neutral more readily, or is as sure as it is right, on one's own faces: no training.

Temperature scaling (Guo et al. 2017) and a raise of one logit, both folded into the classifier: the graph keeps its
layers.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle import Bundle, Image, Manifest, open_bundle
from ..bundle.dataset import Dataset, Watch, balanced, read_dataset, read_face, unwatched
from ..bundle.labels import common_names
from ..errors import DatasetError, UnsupportedGraph, UsageError
from ..export.calibration import calibration_set
from ..export.graph import load_float32
from ..export.labelled import held_out, logits_of, measure, shared
from ..export.metrics import fit_raise, fit_temperature
from ..export.onnx import import_onnx
from ..export.package import FLOAT32, bundle_of
from ..runtime.inference.classifier import Classifier

CALIBRATION_PICTURES = 512
Say = Callable[[str], None]


@dataclass(frozen=True)
class RecalibrateOptions:
    """What to fit, on what.

    Attributes:
        bundle: a name or folder; None is the one inside fer-edge.
        data: labelled faces: the valid split is fitted to, test measures.
        out: the new bundle's folder.
        neutral_recall: 0..1; raise neutral's logit until this share of the neutral faces is found; None leaves it.
        release: the new bundle's version; None adds ".1" to the old one.
        second_label: another label column that is measured, too.
        label_map: what folders that are no usual label mean.
    """

    bundle: Path | str | None
    data: Path
    out: Path
    neutral_recall: float | None = None
    release: str | None = None
    second_label: str = ""
    label_map: str | None = None


def recalibrate(options: RecalibrateOptions, on_notice: Say = lambda line: None, watch: Watch = unwatched) -> Bundle:
    """Write the bundle anew with temperature and neutral fitted; `provenance["recalibrated"]` says by how much.

    Raises:
        UsageError: no such share; DatasetError: nothing to fit to; UnsupportedGraph: it ends in no plain classifier.
        BundleError, OutputError, MissingExtra, InputError: as opening and packing do.
    """
    if options.neutral_recall is not None and not 0 < options.neutral_recall <= 1:
        raise UsageError(
            f"--neutral-recall {options.neutral_recall:g} is no share of the neutral faces",
            hint="--neutral-recall 0.85",
        )
    bundle = open_bundle(options.bundle)
    dataset = read_dataset(options.data, options.second_label, watch=watch, label_map=options.label_map, any_label=True)
    for line in dataset.notes("valid"):
        on_notice(line)
    raised, temperature = _fit(bundle, dataset, options, watch)
    split, size = held_out(dataset, options.data, on_notice), bundle.manifest.input.size
    faces = balanced(dataset.split("train"), CALIBRATION_PICTURES, 42)
    pictures: list[Image] = calibration_set([read_face(s) for s in faces], size)
    about = {"source": f"{options.data.name}/train, balanced over labels", "data_digest": dataset.digest()}
    name = f"{options.data.name}/{split}"
    with tempfile.TemporaryDirectory() as folder:
        _write(bundle, raised, temperature, Path(folder) / FLOAT32)
        return bundle_of(
            Path(folder),
            options.out,
            _manifest(bundle, options, raised, temperature),
            pictures,
            about,
            lambda classifier: measure(classifier, dataset, split, name, watch),
        )


def _fit(bundle: Bundle, dataset: Dataset, options: RecalibrateOptions, watch: Watch) -> tuple[float, float]:
    """By how much neutral's logit is raised, and then the temperature; raises DatasetError, UsageError."""
    known = {s.content for s in dataset.split("train")}  # a model may know them by heart, and would look too sure
    valid = [s for s in dataset.split("valid") if s.label is not None and s.content not in known]
    if not valid:
        raise DatasetError(
            f"{options.data} has no labelled picture in its valid split that is not in train, too",
            cause="what is fitted to faces that the model was trained with holds for no others",
            hint="fer-edge train --help  # the layouts of a data set: docs/training.md",
        )
    classifier = Classifier(bundle, bundle.reference)
    both = shared(classifier.labels, dataset, valid, f"{options.data.name}/valid")
    logits, truth = both.pick(logits_of(classifier, valid, watch=watch)), both.truth([s.label for s in valid])
    classifier.close()
    logits, truth = logits[truth >= 0], truth[truth >= 0]
    raised = 0.0
    if options.neutral_recall is not None:
        names = common_names(both.names)
        place = names.index("neutral") if "neutral" in names else -1
        if not (truth == place).any():
            raise UsageError("--neutral-recall wants neutral faces, and a model that knows them")
        raised = fit_raise(logits, truth, place, options.neutral_recall)
        logits[:, place] += np.float32(raised)
    return raised, fit_temperature(logits, truth)


def _write(bundle: Bundle, raised: float, temperature: float, path: Path) -> None:
    """The bundle's first graph as float32, its classifier adjusted; raises UnsupportedGraph."""
    onnx = import_onnx()
    model = load_float32(bundle.folder / bundle.reference.path)
    last = next(n for n in model.graph.node if model.graph.output[0].name in n.output)
    weights = {t.name: t for t in model.graph.initializer}
    if last.op_type != "Gemm" or len(last.input) != 3 or not {*last.input[1:]} <= {*weights}:
        raise UnsupportedGraph(
            f"the last layer of {bundle.manifest.name} is {last.op_type}, not a classifier with a bias",
            cause="an imported model may end in something else",
            hint="fer-edge train --help  # calibrate = true in a recipe does the same for one's own training",
        )
    shift = np.zeros(len(bundle.labels), np.float32)
    if raised:
        shift[common_names(bundle.labels).index("neutral")] = raised
    for name, more in ((last.input[1], np.float32(0)), (last.input[2], shift)):
        values = (onnx.numpy_helper.to_array(weights[name]) + more) / np.float32(temperature)
        weights[name].CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float32), name))
    onnx.save(model, str(path))


def _manifest(bundle: Bundle, options: RecalibrateOptions, raised: float, temperature: float) -> Manifest:
    """The old manifest, which says how the model was trained, and beside it what was changed."""
    old = bundle.manifest
    done: dict[str, Any] = {
        "from": f"{old.name} {old.version} (sha256 {bundle.reference.sha256[:16]})",
        "on": f"{options.data.name}/valid",
        "neutral_recall": options.neutral_recall,
        "neutral_raised": round(raised, 4),
        "temperature": round(temperature, 4),
    }
    before = old.provenance.get("recalibrated", [])
    return replace(
        old,
        version=options.release or f"{old.version}.1",
        artifacts=(),
        metrics={},
        provenance={**old.provenance, "recalibrated": [*before, done]},
    )
