"""What a network was trained on and with, for whoever wants to train it again: the study's Tables 14 and 15."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .. import __version__
from ..devices.cpu import model_name, usable_cores
from ..devices.detect import memory_mib, text_of
from .torch_import import import_torch

LIBRARIES = (
    *("torch", "torchvision", "timm", "albumentations", "accelerate", "numpy", "opencv-python-headless", "safetensors"),
    *("onnx", "onnxruntime", "optuna", "mlflow"),
)
"""Whose versions may change a training or its export, and those that keep its figures."""


def hardware(root: Path = Path("/")) -> dict[str, Any]:
    """Processor, usable cores, memory, GPUs and system of this machine; what it does not tell is left out."""
    release = dict(line.split("=", 1) for line in text_of(root / "etc/os-release").splitlines() if "=" in line)
    cuda = import_torch().cuda
    told = {
        "processor": model_name(root),
        "machine": platform.machine(),
        "cores": usable_cores(),
        "memory_mib": memory_mib(root).get("MemTotal"),
        "gpus": [cuda.get_device_name(i) for i in range(cuda.device_count())] if cuda.is_available() else [],
        "system": release.get("PRETTY_NAME", "").strip('"') or platform.platform(),
        "kernel": platform.release(),
    }
    return {key: value for key, value in told.items() if value}


def versions() -> dict[str, str]:
    """Of Python, fer-edge and every library of LIBRARIES that is installed."""
    found = {"python": platform.python_version(), "fer_edge": __version__}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
