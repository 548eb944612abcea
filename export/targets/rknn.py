"""Rockchip NPU: Rockchip's own compiler and simulator, in an interpreter of their own.

rknn-toolkit2 wants older libraries than anything else here, so it lives in a virtual environment that this module
prepares once in the user's cache, or in one that --rknn-python names.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bundle import cache_folder
from ...errors import ConversionFailed, DeviceNotFound, FerEdgeError, UsageError
from ...runtime.backends import backend_file
from ...runtime.inference.worker_client import RemoteBackend
from ..job import Built, Job, entry
from .environment import base_python, make, python_steps, ready

PRECISIONS = USUAL = ("int8",)
CHIPS = ("rk3588", "rk3566")
VERSIONS = ((3, 11), (3, 12), (3, 10))
"""Pythons that the toolkit has wheels for and that have the packages it needs, the one it was tried with first."""
LIMIT_S = 3600.0
"""For compiling, and for a whole set of pictures: the simulator takes its time."""
IMPORT = ("-c", "from rknn.api import RKNN")
TOOLKIT = "rknn-toolkit2==2.5.0"
NEEDS = (
    "numpy<2",
    "onnx==1.16.1",
    "onnxruntime<1.27",
    "protobuf==4.25.4",
    "setuptools<80",  # the toolkit imports pkg_resources
    "opencv-python-headless<4.12",
    "scipy<1.18",
    "ruamel.yaml",
    "psutil",
    "tqdm",
    "fast-histogram",
    "torch==2.13.0",  # the toolkit states <= 2.4 and runs with this one, of which there is a build without CUDA
)
"""What rknn-toolkit2 needs, in versions it was seen to run with; it is installed without its own, older, list."""


def missing(options: Mapping[str, Any]) -> str:
    """How to get what is missing, or an empty string."""
    there = options.get("rknn_python") or ready(prepared())
    return "" if there else "fer-edge export … --target rknn (prepares an environment of about 1.5 GB)"


def prepare(options: Mapping[str, Any], say: Callable[[str], None]) -> None:
    """Make the environment if there is none and none was given; raises DeviceNotFound, ConversionFailed."""
    given = options.get("rknn_python")
    if given:
        if not _imports(Path(given)):
            raise UsageError(
                f"{given} does not run rknn-toolkit2",
                cause="it is no Python interpreter, or `from rknn.api import RKNN` fails in it",
                hint="leave --rknn-python out, and an environment is prepared",
            )
        return
    folder, python = prepared(), base_python(VERSIONS)
    if ready(folder):
        return
    if not python:
        raise DeviceNotFound(
            "rknn-toolkit2 needs Python 3.8 to 3.12, and there is none here",
            cause="its maker offers no wheel for newer ones",
            hint="the same command with --rknn-python PATH",
        )
    steps = [*python_steps(python, folder, TOOLKIT, NEEDS), (folder / "bin" / "python", *IMPORT)]
    try:
        make(folder, steps, say, f"preparing an environment for {TOOLKIT}, about 1.5 GB, in", LIMIT_S)
    except DeviceNotFound as error:
        raise ConversionFailed(
            f"the environment for rknn-toolkit2 could not be made in {folder}",
            cause=error.cause,
            hint="the same command with --rknn-python PATH, of one that has it",
        ) from error


def prepared() -> Path:
    """Where the prepared environment is, or would be."""
    return cache_folder() / f"rknn-{TOOLKIT.split('==')[1]}"


def build(job: Job, precision: str, chip: str) -> Built:
    """Compile for one chip; the simulator then stands in for the board."""
    path = f"rknn/model_int8_{chip}.rknn"
    python = Path(job.options.get("rknn_python") or prepared() / "bin" / "python")
    simulator = Simulator(job, python, job.file(path), chip)
    settings = job.from_pictures("rknn-toolkit2: per channel, normal")
    report = {"chip": chip, "compiled": True, "parity_by": "the vendor's simulator, not a board"}
    artifact = entry(job, path, "rknn", precision, "uint8", settings, (), report)
    artifact.built_with["rknn-toolkit2"] = simulator.version  # type: ignore[index]
    return Built(artifact, backend=simulator)


class Simulator:
    """The backend `rknn` as a simulator, in the toolkit's own interpreter and a folder of its own."""

    def __init__(self, job: Job, python: Path, target: Path, chip: str) -> None:
        """Compile into `target` and start the simulator; raises ConversionFailed."""
        self._folder = tempfile.TemporaryDirectory(prefix="fer-edge-rknn-")
        work = Path(self._folder.name)
        graph = work / "model.onnx"
        graph.write_bytes(job.headless.SerializeToString())
        settings = {
            "chip": chip,
            "mean": [float(v) for v in job.stem.mean],
            "std": [float(v) for v in job.stem.std],
            "dataset": str(_dataset(job, work)),
            "out": str(target),
        }
        try:
            self._backend = RemoteBackend(
                backend_file("rknn"), graph, {"simulate": settings}, str(python), LIMIT_S, LIMIT_S, folder=work
            )
        except FerEdgeError as error:
            self._folder.cleanup()
            raise ConversionFailed(error.message, cause=error.cause or "see --debug") from error

    @property
    def version(self) -> str:
        """Of the toolkit."""
        return str(self.describe()["version"])

    def infer(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits float32 (N, classes) of uint8 (N, S, S, 3), as the simulator computes them."""
        return self._backend.infer(batch)

    def describe(self) -> dict[str, Any]:
        """What runs where."""
        return self._backend.describe()

    def close(self) -> None:
        """End the process; calling it twice is harmless."""
        self._backend.close()
        self._folder.cleanup()


def _dataset(job: Job, work: Path) -> Path:
    """The calibration pictures, and the file that names them."""
    names = []
    for i, picture in enumerate(job.pictures):
        np.save(work / f"{i}.npy", picture.transpose(2, 0, 1)[None])
        names.append(f"{work}/{i}.npy")
    path = work / "dataset.txt"
    path.write_text("\n".join(names) + "\n")
    return path


def _imports(python: Path) -> bool:
    try:
        done = subprocess.run([python, *IMPORT], capture_output=True, timeout=120)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
