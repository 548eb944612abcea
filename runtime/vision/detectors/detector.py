"""What a face detector is, and how the picture is brought down to the width at which one searches."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ....bundle import Image
from ...types import Face


class Detector(Protocol):
    """Finds faces."""

    name: str

    def detect(self, image: Image) -> list[Face]:
        """Faces in a BGR uint8 picture, best first."""


def shrink(image: Image, width: int) -> tuple[Image, float]:
    """A picture brought down to `width` pixels (0: as it is; never enlarged), and the factor that did it."""
    import cv2

    scale = min(1.0, width / image.shape[1]) if width else 1.0
    if scale == 1.0:
        return image, scale
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8), scale
