"""From face crops to probabilities: a bundle and the backend that runs it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bundle import Artifact, Bundle, Image, Logits, face_crop, softmax
from ...bundle.logits import MEANING, logits_from, outputs_of
from ...errors import DeviceFailed, FerEdgeError, NotFinite, UsageError
from ..backends import RUNS, Backend, open_backend
from ..types import Face
from ..vision.landmarks import upright
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
    return small if small is not None and accurate_enough(bundle, small) else plain


def accurate_enough(bundle: Bundle, artifact: Artifact) -> bool:
    """Whether it may run in the place of the bundle's float graph: float artifacts, which passed the gate, and int8
    ones whose accuracy on the same set is at most INT8_TOLERANCE lower."""
    plain = bundle.reference
    if artifact.precision != "int8" or plain.precision == "int8":
        return True
    if "accuracy" not in artifact.metrics or artifact.metrics.get("set") != plain.metrics.get("set"):
        return False
    return bool(plain.metrics["accuracy"] - artifact.metrics["accuracy"] <= INT8_TOLERANCE)


class Classifier:
    """Runs a bundle's graph on face crops."""

    def __init__(
        self,
        bundle: Bundle,
        artifact: Artifact,
        threads: int = 1,
        backend: Backend | None = None,
        connection: str = "",
        stand_in: Artifact | None = None,
        tuned: str = "",
    ) -> None:
        """Open the artifact and hold its output against the labels.

        Args:
            backend: opened already; None opens the one that runs such an artifact on the CPU.
            connection: how the device is connected, for people.
            stand_in: the artifact that runs while the backend is degraded.
            tuned: what measurement chose this way to run, for people.

        Raises:
            BundleError or DeviceNotFound kinds; UsageError: nothing here runs such an artifact.
        """
        self.labels = bundle.labels
        self.size = bundle.manifest.input.size
        self._bundle_name = f"{bundle.manifest.name} {bundle.manifest.version}"
        self._made = str(bundle.manifest.provenance.get("made") or "")
        self._artifact, self._stand_in, self.connection, self._tuned = artifact, stand_in, connection, tuned
        self.backend: Backend = backend or _open_on_cpu(bundle, artifact, threads)
        self.outputs = "logits"
        blank = np.zeros((1, self.size, self.size, 3), np.uint8)
        first = self.answers(blank)  # which may be NaN: a graph may divide by a picture's spread
        bundle.check_outputs(first.shape[1])
        if ((first >= 0) & (first <= 1)).all():
            self.outputs = self._outputs(bundle)

    @property
    def model(self) -> tuple[str, str]:
        """The bundle's name and version, and the day it was made; empty where its manifest does not say."""
        return self._bundle_name, self._made

    @property
    def notice(self) -> str:
        """What people should know of the graph's outputs; empty for logits."""
        return f"{self.artifact.path} {MEANING[self.outputs]}" if self.outputs in MEANING else ""

    def _outputs(self, bundle: Bundle) -> str:
        """What the graph gives; an import ends in logits, and weights that are for speed alone may give anything."""
        if bundle.manifest.for_speed or "imported" in bundle.manifest.provenance:
            return "logits"
        ramp = np.linspace(0, 255, self.size).astype(np.uint8)
        probes = np.stack([np.broadcast_to(p, (self.size, self.size)) for p in (0, 255, ramp, ramp[::-1, None])])
        crops = np.repeat(probes[..., None], 3, axis=3).astype(np.uint8)
        return outputs_of(np.concatenate([self.answers(crop[None]) for crop in crops]))

    @property
    def artifact(self) -> Artifact:
        """The one that answers now: the device's, or the one of whoever stands in for it."""
        degraded = self._stand_in is not None and self.backend.describe().get("degraded")
        return self._stand_in if degraded and self._stand_in else self._artifact

    def crop(self, bgr: Image, face: Face) -> Image:
        """The uint8 RGB crop the graph takes, its eyes level, from a frame in OpenCV's BGR order."""
        return face_crop(bgr[:, :, ::-1], face.box, self.size, upright(face))

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
            given = np.asarray(self.backend.infer(crops), np.float32)
        except FerEdgeError:
            raise
        except Exception as error:  # vendor libraries raise kinds of their own
            raise DeviceFailed(
                f"inference failed: {str(error).splitlines()[0]}",
                cause="the graph does not take pictures of the size its manifest states",
                hint="fer-edge bundle check BUNDLE",
            ) from error
        return given if self.outputs == "logits" else logits_from(given)

    def probabilities(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Softmax of the logits, float32 (N, classes); errors as `logits`."""
        return softmax(self.logits(crops))

    def idle(self) -> None:
        """Nobody is there: look after the device meanwhile; raises DeviceFailed."""
        if isinstance(self.backend, Watched):
            self.backend.check()

    def describe(self) -> dict[str, Any]:
        """The backend's description, with the artifact's name, precision and hash, how it is connected and tuned."""
        artifact, told = self.artifact, {"connection": self.connection, "tuned": self._tuned}
        return {
            **self.backend.describe(),
            **{name: text for name, text in told.items() if text},
            "bundle": self._bundle_name,
            "artifact": artifact.path,
            "precision": artifact.precision,
            "sha256": artifact.sha256,
            **({} if self.outputs == "logits" else {"outputs": self.outputs}),
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
