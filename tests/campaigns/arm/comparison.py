"""What ARM's kernels answer beside what this machine's do: the same file opens the same graph on both."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fer_edge import runtime
from fer_edge.bundle import Artifact, Bundle, default_bundle, open_bundle
from fer_edge.bundle.portraits import portraits
from support.exports import exported_once, student_with_tflite

from . import answers
from .boards import Core
from .guest import Guest

BACKENDS = {"onnx": "ort.py", "edgetpu": "lite.py"}
"""The runtime's file for a format; an Edge TPU's graph before compilation is an ordinary TFLite one."""
FLOAT, INT8 = 1e-4, 0.25
"""Limits of a difference, logits: of float32 sums in another order, as in the boot proof; of int8, where a rounding
that tips goes through all later layers. The pictures lie further than either from a border (`Compared.beside`)."""


@dataclass(frozen=True)
class Compared:
    """One graph on one core.

    Attributes:
        apart: the largest difference of two logits; limit: what it may be.
        equal: how often both sides name the same label, 0..1.
        beside: this machine's smallest distance between its first and its second choice, logits.
    """

    bundle: str
    graph: str
    core: str
    pictures: int
    apart: float
    limit: float
    equal: float
    beside: float


def with_tflite(name: str) -> Path | str:
    """A bundle with its TFLite file: as it is where it has one or is a folder, else exported from the shipped one."""
    if Path(name).exists() or any(a.target == "edgetpu" for a in open_bundle(name).manifest.artifacts):
        return name
    if name == "edgetpu":
        return student_with_tflite()
    return exported_once(f"arm-{name}", open_bundle(default_bundle(name)), name, "--target", "edgetpu") / "bundle"


def graphs(bundle: Bundle, targets: Sequence[str]) -> Iterator[tuple[Artifact, Path]]:
    """Each graph of these targets that a processor runs, and the backend's file."""
    for artifact in bundle.manifest.artifacts:
        if artifact.target in targets and not artifact.report.get("compiled"):
            yield artifact, Path(str(runtime.__file__)).parent / "backends" / BACKENDS[artifact.target]


def compare(
    bundle: Bundle, targets: Sequence[str], guest: Guest, cores: Sequence[Core], pictures: int, work: Path
) -> Iterator[Compared]:
    """Every graph of a bundle on every core; raises CalledProcessError where one does not answer.

    Args:
        targets: keys of BACKENDS.
        pictures: how many of the portraits.
        work: a folder for crops and answers.
    """
    crops = work / "crops.npy"
    np.save(crops, np.stack(portraits(bundle.manifest.input.size)[:pictures]))
    for artifact, backend in graphs(bundle, targets):
        words = [str(Path(answers.__file__)), str(backend), str(bundle.path(artifact)), str(crops)]
        subprocess.run([sys.executable, *words, str(work / "here.npy")], check=True, capture_output=True)
        here = np.load(work / "here.npy")
        for core in cores:
            guest.python(core, [*words, str(work / "there.npy")])
            yield row(bundle.manifest.name, artifact, core.name, here, np.load(work / "there.npy"))


def row(bundle: str, graph: Artifact, core: str, here: np.ndarray, there: np.ndarray) -> Compared:
    """What the logits (N, classes) of both sides say of each other."""
    first, second = np.sort(here, axis=1)[:, -1], np.sort(here, axis=1)[:, -2]
    return Compared(
        bundle,
        graph.path,
        core,
        len(here),
        float(np.abs(here - there).max()),
        INT8 if graph.precision == "int8" else FLOAT,
        float((here.argmax(1) == there.argmax(1)).mean()),
        float((first - second).min()),
    )
