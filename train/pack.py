"""From a fitted network to a bundle that says how it was made: exported, measured, with its provenance."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle import LABELS, Bundle, open_bundle, sha256_of, whole_image
from ..bundle.dataset import Dataset, Watch, balanced, picture_facts, read_face
from ..errors import FerEdgeError, UnsupportedGraph
from ..export.labelled import measure
from ..export.package import package, write_graphs
from .data import duplicates
from .data.mixture import describe_sets, first_set
from .first_weights.unfold import bundle_named
from .fit import Fitted
from .made_on import hardware, versions
from .network import build_network, fold_luma
from .options import TeacherChoice, TrainOptions
from .recipe import Recipe

CALIBRATION_PICTURES = 512


def pack(options: TrainOptions, recipe: Recipe, dataset: Dataset, fitted: Fitted, watch: Watch) -> Bundle:
    """Export and measure the trained network and write the bundle; raises OutputError, InputError as `package` does."""
    measured = first_set(dataset)
    split = "test" if measured.split("test") else "valid"
    name = options.sets[0].called
    chosen = balanced(dataset.split("train"), CALIBRATION_PICTURES, recipe.seed)
    digest = dataset.digest()
    return package(
        fold_luma(fitted.network, recipe.luma_layer),
        options.out,
        name=options.name or recipe.name,
        version=options.release,
        labels=LABELS,
        size=recipe.size,
        normalise="grey by BT.601, (x - 114.5) / 57.6" if recipe.color == "luma" else "ImageNet mean and deviation",
        pictures=[whole_image(read_face(s), recipe.size) for s in chosen],
        calibration={"source": f"{options.data_name}/train, balanced over labels", "data_digest": digest},
        evaluate=partial(measure, dataset=measured, split=split, name=f"{name}/{split}", watch=watch),
        provenance=_provenance(options, recipe, dataset, fitted, digest),
        licence=options.licence,
    )


def check_exportable(recipe: Recipe) -> dict[str, str]:
    """Go through what comes after the last epoch with untrained weights, before the first one.

    Returns:
        devices that cannot run a network of this recipe -> why.

    Raises:
        UnsupportedGraph: it cannot be exported, so that no bundle could be made of it; UsageError: as build_network.
    """
    size = recipe.size
    noise = np.random.default_rng(recipe.seed).integers(0, 256, (2, size, size, 3), dtype=np.uint8)
    network = fold_luma(build_network(recipe).eval(), recipe.luma_layer)
    with tempfile.TemporaryDirectory() as folder:
        try:
            _, report = write_graphs(network, size, list(noise), Path(folder))
        except FerEdgeError:
            raise
        except Exception as error:  # torch, onnx and ONNX Runtime raise kinds of their own
            first = str(error).strip().splitlines()[:1]
            raise UnsupportedGraph(
                f"a network of the recipe {recipe.name} cannot be packed: {' '.join(first) or type(error).__name__}",
                cause="its backbone has a layer that the export does not know",
                hint="the same command with a recipe of another backbone, such as resnet18",
            ) from error
    return dict(report.get("unreadable_by", {}))


def _provenance(
    options: TrainOptions, recipe: Recipe, dataset: Dataset, fitted: Fitted, digest: str
) -> Mapping[str, Any]:
    """How the network was made, for the manifest: names and hashes, and no path of this machine."""
    init = options.init or "random"
    if bundle := bundle_named(options.init):
        init = _bundle_name(bundle)
    elif options.init and options.init != "timm":
        init = f"{Path(options.init).name} (sha256 {sha256_of(Path(options.init))[:16]})"
    return {
        "made": date.today().isoformat(),
        "versions": versions(),
        "hardware": hardware(),
        "minutes": fitted.minutes,
        "command": f"fer-edge train --data {options.data_name} --recipe {options.recipe}"
        + " --init FILE" * bool(options.init)
        + " --label-map FILE" * bool(options.label_map)
        + " --teacher BUNDLE" * len(options.teacher),
        "recipe": asdict(recipe),
        "init": init,
        **({"teacher": ", ".join(_named(t) for t in options.teacher)} if options.teacher else {}),
        "epochs_run": len(fitted.history),
        "best_epoch": fitted.best_epoch,
        "temperature": fitted.temperature,
        "history": fitted.history,
        "data": _data_facts(options, recipe, dataset, digest),
    }


def _data_facts(options: TrainOptions, recipe: Recipe, dataset: Dataset, digest: str) -> Mapping[str, Any]:
    votes = "the taggers' votes" if recipe.labels == "votes" else "the label column"
    mixed = f", mixed with {recipe.second_share:.0%} of `{recipe.second_label}`" if recipe.second_share else ""
    return {
        "name": " + ".join(one.called for one in options.sets),
        "digest": digest,
        **{split: len(dataset.split(split)) for split in ("train", "valid", "test")},
        **({"sets": describe_sets(dataset)} if len(options.sets) > 1 else {}),
        "unreadable": len(dataset.unreadable),
        "copies": duplicates.counts(dataset),
        "targets": votes + mixed,
        **picture_facts(dataset.split("train")),
        "about": options.about,
    }


def _named(teacher: TeacherChoice) -> str:
    """A teacher's bundle, and its weight beside others."""
    return _bundle_name(open_bundle(teacher.bundle)) + f", weight {teacher.weight:g}" * (teacher.weight != 1)


def _bundle_name(bundle: Bundle) -> str:
    """A bundle's name, version and the hash of its first graph."""
    m = bundle.manifest
    return f"{m.name} {m.version} (sha256 {m.artifacts[0].sha256[:16]})"
