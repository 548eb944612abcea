"""Face detectors: one file each. All give square boxes framed like the pictures the model was trained on."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ....bundle import Image
from ....errors import UsageError
from ...types import Face

NAMES = ("auto", "yunet", "haar")


class Detector(Protocol):
    """Finds faces."""

    name: str

    def detect(self, image: Image) -> list[Face]:
        """Faces in a BGR uint8 picture, best first."""


def open_detector(name: str = "auto", width: int = 320) -> tuple[Detector, str]:
    """A detector by name, and a line to tell the user or "".

    Args:
        name: yunet, haar, or auto: YuNet when its file is in the cache, else Haar with a notice.
        width: frames are scaled down to this width for detection; 0 keeps them whole.

    Raises:
        UsageError: no such detector; DeviceNotFound: YuNet's file is not here; BundleDamaged: it is not the right one.
    """
    from .weights import find_model

    if name == "haar":
        from .haar import HaarDetector

        return HaarDetector(width), ""
    if name not in NAMES:
        raise UsageError(f"there is no detector {name!r}", cause="detectors: " + ", ".join(NAMES))
    model = find_model("yunet", required=name == "yunet")
    if model is None:
        from .haar import HaarDetector

        notice = "YuNet is not in the cache; using the Haar detector, which misses more faces: fer-edge models fetch"
        return HaarDetector(width), notice
    from .yunet import YuNetDetector

    return YuNetDetector(model, width), ""


def shrink(image: Image, width: int) -> tuple[Image, float]:
    """A picture brought down to `width` pixels (0: as it is; never enlarged), and the factor that did it."""
    import cv2

    scale = min(1.0, width / image.shape[1]) if width else 1.0
    if scale == 1.0:
        return image, scale
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8), scale
