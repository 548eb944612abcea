"""Backends: one self-contained file each, found by name.

A backend file offers `open(artifact, options)`; what that returns has `infer(uint8 batch) -> float32 logits`,
`describe()` and `close()`. It runs on Python 3.6 with numpy and its vendor library, and imports nothing of ours.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...errors import BundleDamaged, DeviceFailed, DeviceNotFound, MissingExtra, UsageError

FILES = {
    "onnxruntime": "ort",
    "openvino": "ov",
    "openvino-2021": "ie",
    "tflite": "lite",
    "tensorrt": "trt",
    "rknn": "rk",
}
"""Backend name -> module in this package."""
EXTRAS = {"openvino": "openvino", "tflite": "edgetpu"}
"""Backend name -> the optional part of fer-edge that brings its library."""
RUNS = {
    "onnx": "onnxruntime",
    "tensorrt": "onnxruntime",
    "openvino": "openvino",
    "edgetpu": "tflite",
    "tflite": "tflite",
}
"""Artifact's target -> backend that runs it on this machine's processor. A TensorRT artifact is an ONNX graph."""


class Backend(Protocol):
    """An opened artifact."""

    def infer(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits float32 (N, classes) of face crops uint8 (N, S, S, 3) RGB."""

    def describe(self) -> dict[str, Any]:
        """Backend name, library version, device and settings."""

    def close(self) -> None:
        """Let go of the device; calling it twice is harmless."""


def open_backend(name: str, artifact: Path, options: dict[str, Any]) -> Backend:
    """Open an artifact with a backend.

    Raises:
        UsageError: no such backend; MissingExtra: its library is absent; DeviceNotFound: its device is;
        BundleDamaged: it cannot read the file;
        DeviceFailed: it refuses to start.
    """
    if name not in FILES:
        raise UsageError(f"there is no backend {name!r}", cause="backends: " + ", ".join(FILES))
    module = importlib.import_module(f"{__name__}.{FILES[name]}")
    try:
        return module.open(str(artifact), options)  # type: ignore[no-any-return]
    except ImportError as error:
        raise MissingExtra(error.name or name, EXTRAS.get(name, name)) from error
    except LookupError as error:
        raise DeviceNotFound(str(error), hint="fer-edge doctor") from error
    except ValueError as error:
        raise BundleDamaged(f"{artifact.name} cannot be loaded by {name}: {error}") from error
    except RuntimeError as error:
        raise DeviceFailed(f"the backend {name} did not start: {error}", hint="fer-edge run --debug …") from error
