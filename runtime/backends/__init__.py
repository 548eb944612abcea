"""Backends: one self-contained file each, found by name.

A backend file offers `open(artifact, options)`; what that returns has `infer(uint8 batch) -> float32 logits`,
`describe()` and `close()`. It runs on Python 3.6 with numpy and its vendor library, and imports nothing of ours.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...errors import BundleDamaged, DeviceFailed, DeviceNotFound, MissingExtra, UsageError

FILES = {
    "onnxruntime": "ort", "openvino": "ov", "openvino-2021": "ie", "tflite": "lite", "tensorrt": "trt", "rknn": "rk",
    "hailo": "hailo",
}  # fmt: skip
"""Backend name -> module in this package."""
GROUP = "fer_edge.backends"
"""Entry points of this group are modules that other packages offer, by the backend's name."""
EXTRAS = {"openvino": "intel", "tflite": "edgetpu"}
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


def backend_file(name: str) -> Path:
    """The file of a backend, ours or another package's entry point, for a worker to load; raises UsageError."""
    spec = importlib.util.find_spec(_module_name(name))
    if spec is None or spec.origin is None:
        raise UsageError(f"the backend {name} is no file of Python", hint=f"reinstall the package that offers {name}")
    return Path(spec.origin)


def _module_name(name: str) -> str:
    if name in FILES:
        return f"{__name__}.{FILES[name]}"
    from importlib.metadata import entry_points  # reads what every package says of itself

    others = {point.name: point.value for point in entry_points(group=GROUP)}
    if name in others:
        return others[name]
    raise UsageError(f"there is no backend {name!r}", cause="backends: " + ", ".join([*FILES, *others]))


def open_backend(name: str, artifact: Path, options: dict[str, Any]) -> Backend:
    """Open an artifact with a backend.

    Raises:
        UsageError: no such backend; MissingExtra: its library is absent; DeviceNotFound: its device is;
        BundleDamaged: it cannot read the file;
        DeviceFailed: it refuses to start.
    """
    module = importlib.import_module(_module_name(name))
    try:
        return module.open(str(artifact), options)  # type: ignore[no-any-return]
    except ImportError as error:
        raise MissingExtra(error.name or name, EXTRAS.get(name, name)) from error
    except LookupError as error:
        raise DeviceNotFound(str(error), hint="fer-edge doctor") from error
    except ValueError as error:
        raise BundleDamaged(f"{artifact.name} cannot be loaded by {name}: {error}") from error
    except Exception as error:  # RuntimeError, and kinds of the vendors' own
        raise DeviceFailed(f"the backend {name} did not start: {error}", hint="fer-edge doctor") from error
