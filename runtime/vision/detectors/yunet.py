"""YuNet: a small neural face detector, run by OpenCV (cv2.FaceDetectorYN)."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....bundle import Image
from ...types import Face
from .detector import shrink

SCORE = 0.6
OVERLAP = 0.3
CANDIDATES = 5000
"""Boxes that are compared, the best first, before those of one face are made one; a face gives five or ten."""
MAX_AREA = 2.0
"""Boxes larger than this many pictures are no faces: on slivers of pictures the network gives infinite ones."""
SIDE = 1.11
"""Side of a training picture over the square root of YuNet's box area: median over 572 pictures of FER2013, padded."""
DROP = 0.02
"""How far the middle of the training picture lies below that of YuNet's box, in box heights; measured likewise."""


class YuNetDetector:
    """YuNet 2023mar at a reduced size: 5 ms at 320 x 240 where the Haar cascade needs 50."""

    name = "yunet"

    def __init__(self, model: Path, width: int = 320) -> None:
        """Load the .onnx file, whose hash the caller has checked."""
        import cv2

        self.width = width
        self._net = cv2.FaceDetectorYN.create(str(model), "", (width or 320, width or 320), SCORE, OVERLAP, CANDIDATES)
        self._size = (0, 0)

    def detect(self, image: Image) -> list[Face]:
        """Faces in a BGR uint8 picture, best score first."""
        small, scale = shrink(image, self.width)
        size = (small.shape[1], small.shape[0])
        if size != self._size:
            self._net.setInputSize(size)
            self._size = size
        _, found = self._net.detect(small)
        if found is None:
            return []
        sizes = found[:, 2:4]
        sound = np.isfinite(found).all(axis=1) & (sizes > 0).all(axis=1) & (sizes <= MAX_AREA * max(size)).all(axis=1)
        return sorted((_face(row, scale) for row in found[sound]), key=lambda f: (-f.score, f.box))


def _face(row: NDArray[np.float32], scale: float) -> Face:
    """One of OpenCV's rows: box, five landmarks, score, in pixels of a picture that is `scale` of the whole."""
    points = tuple((float(x) / scale, float(y) / scale) for x, y in row[4:14].reshape(5, 2))
    return Face(frame_face(*(float(v) / scale for v in row[:4])), float(row[14]), points)


def frame_face(left: float, top: float, width: float, height: float) -> tuple[float, float, float, float]:
    """YuNet's tight upright box, reframed to the square that the training pictures show (all in pixels)."""
    side = SIDE * math.sqrt(max(width, 1.0) * max(height, 1.0))
    return (left + width / 2 - side / 2, top + height * (0.5 + DROP) - side / 2, side, side)
