"""From face crops to probabilities: a bundle and the backend that runs it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bundle import Artifact, Bundle, Image, Logits, face_crop, softmax
from ...errors import DeviceFailed, FerEdgeError, NotFinite, UsageError
from ..backends import RUNS, Backend, open_backend
from ..types import Box
from .supervisor import Watched

INT8_TOLERANCE = 0.005
"""int8 is taken on the CPU when its measured accuracy is at most this much below the float graph's."""


def choose_artifact(bundle: Bundle, precision: str = "auto") -> Artifact:
    """The ONNX artifact to run on the CPU; raises BundleError when the bundle has none of that precision.

    Args:
        precision: float32, float16 (stored so, computed in float32), int8; auto takes int8 where its accuracy,
            measured on the same set as the float graph's, is within INT8_TOLERANCE.
    """
    if precision != "auto":
        return bundle.artifact("onnx", precision)
    onnx = {a.precision: a for a in bundle.manifest.artifacts if a.target == "onnx"}
    plain = onnx.get("float32") or onnx.get("float16")
    small = onnx.get("int8")
    if plain is None:
        return small or bundle.artifact("onnx", "float32")
    if small is None or small.metrics.get("set") != plain.metrics.get("set") or "accuracy" not in small.metrics:
        return plain
    close = plain.metrics["accuracy"] - small.metrics["accuracy"] <= INT8_TOLERANCE
    return small if close else plain


class Classifier:
    """Runs a bundle's graph on face crops."""

    def __init__(
        self, bundle: Bundle, artifact: Artifact, threads: int = 1, backend: Backend | None = None, connection: str = ""
    ) -> None:
        """Open the artifact and hold its output against the labels.

        Args:
            backend: opened already; None opens the one that runs such an artifact on the CPU.
            connection: how the device is connected, for people.

        Raises:
            BundleError or DeviceNotFound kinds; UsageError: nothing here runs such an artifact.
        """
        self.labels = bundle.labels
        self.size = bundle.manifest.input.size
        self._bundle_name = f"{bundle.manifest.name} {bundle.manifest.version}"
        self.artifact, self.connection = artifact, connection
        self.backend: Backend = backend or _open_on_cpu(bundle, artifact, threads)
        blank = np.zeros((1, self.size, self.size, 3), np.uint8)
        bundle.check_outputs(self.answers(blank).shape[1])  # which may be NaN: a graph may divide by a picture's spread

    def crop(self, bgr: Image, box: Box) -> Image:
        """The uint8 RGB crop the graph takes, from a frame in OpenCV's BGR order."""
        return face_crop(bgr[:, :, ::-1], box, self.size)

    def logits(self, crops: NDArray[np.uint8]) -> Logits:
        """Logits float32 (N, classes) of crops uint8 (N, S, S, 3) RGB, all finite; raises DeviceFailed, NotFinite."""
        answer = self.answers(crops)
        finite = np.isfinite(answer).all(axis=1)
        if not finite.all():
            raise NotFinite(answer, int((~finite).sum()))
        return answer

    def answers(self, crops: NDArray[np.uint8]) -> Logits:
        """Logits as the backend gave them, finite or not; for who holds them against others. Raises DeviceFailed."""
        try:
            return np.asarray(self.backend.infer(crops), np.float32)
        except FerEdgeError:
            raise
        except Exception as error:  # vendor libraries raise kinds of their own
            raise DeviceFailed(
                f"inference failed: {str(error).splitlines()[0]}",
                cause="the graph does not take pictures of the size its manifest states",
                hint="fer-edge bundle check BUNDLE",
            ) from error

    def probabilities(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Softmax of the logits, float32 (N, classes); errors as `logits`."""
        return softmax(self.logits(crops))

    def idle(self) -> None:
        """Nobody is there: look after the device meanwhile; raises DeviceFailed."""
        if isinstance(self.backend, Watched):
            self.backend.check()

    def describe(self) -> dict[str, Any]:
        """The backend's description, with the artifact's name, precision and hash, and how the device is connected."""
        connected = {"connection": self.connection} if self.connection else {}
        return {
            **self.backend.describe(),
            **connected,
            "bundle": self._bundle_name,
            "artifact": self.artifact.path,
            "precision": self.artifact.precision,
            "sha256": self.artifact.sha256,
        }

    def close(self) -> None:
        """Let go of the backend."""
        self.backend.close()


def runs_here(artifact: Artifact) -> bool:
    """Whether an artifact is for a processor, or was not yet compiled for something else."""
    return artifact.target in RUNS and not artifact.report.get("compiled")


def _open_on_cpu(bundle: Bundle, artifact: Artifact, threads: int) -> Backend:
    if not runs_here(artifact):
        raise UsageError(
            f"{artifact.path} runs on its device only",
            cause=f"it was compiled for {artifact.target}",
            hint="fer-edge bundle show BUNDLE",
        )
    return open_backend(RUNS[artifact.target], bundle.path(artifact), {"threads": threads})
