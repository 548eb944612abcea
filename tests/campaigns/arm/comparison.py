"""What ARM's kernels answer beside what this machine's do: the same file opens the same graph on both."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fer_edge import runtime
from fer_edge.bundle import Bundle, open_bundle
from fer_edge.bundle.portraits import portraits

from . import answers
from .boards import Core
from .guest import Guest

BACKENDS = {"onnx": "ort.py", "edgetpu": "lite.py"}
"""The runtime's file for a format; an Edge TPU's graph before compilation is an ordinary TFLite one."""


@dataclass(frozen=True)
class Compared:
    """One graph on one core.

    Attributes:
        apart: the largest difference of two logits; equal: how often both sides name the same label, 0..1.
        beside: this machine's smallest distance between its first and its second choice, logits.
    """

    bundle: str
    graph: str
    core: str
    pictures: int
    apart: float
    equal: float
    beside: float


def graphs(bundle: Bundle) -> Iterator[tuple[str, Path, Path]]:
    """Each graph that a processor runs: its name, its file, the backend's file."""
    for artifact in bundle.manifest.artifacts:
        if artifact.target in BACKENDS:
            backend = Path(str(runtime.__file__)).parent / "backends" / BACKENDS[artifact.target]
            yield artifact.path, bundle.path(artifact), backend


def compare(name: str, guest: Guest, cores: Sequence[Core], pictures: int, work: Path) -> Iterator[Compared]:
    """Every graph of a bundle on every core; raises CalledProcessError where one does not answer."""
    bundle = open_bundle(name)
    crops = work / "crops.npy"
    np.save(crops, np.stack(portraits(bundle.manifest.input.size)[:pictures]))
    for graph, file, backend in graphs(bundle):
        words = [str(Path(answers.__file__)), str(backend), str(file), str(crops)]
        subprocess.run([sys.executable, *words, str(work / "here.npy")], check=True, capture_output=True)
        here = np.load(work / "here.npy")
        for core in cores:
            guest.python(core, [*words, str(work / "there.npy")])
            yield _row(bundle.manifest.name, graph, core.name, here, np.load(work / "there.npy"))


def _row(bundle: str, graph: str, core: str, here: np.ndarray, there: np.ndarray) -> Compared:
    first, second = np.sort(here, axis=1)[:, -1], np.sort(here, axis=1)[:, -2]
    return Compared(
        bundle,
        graph,
        core,
        len(here),
        float(np.abs(here - there).max()),
        float((here.argmax(1) == there.argmax(1)).mean()),
        float((first - second).min()),
    )
