"""YuNet: a small neural face detector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....bundle import Image
from ...types import Box, Face
from .detector import SCORE, moved, region, scale_to, shrink
from .yunet_net import Rows, YuNet

MAX_AREA = 2.0
"""Boxes larger than this many pictures are no faces: on slivers of pictures the network gives infinite ones."""
SIDE = 1.11
"""Side of a training picture over the square root of YuNet's box area: median over 572 pictures of FER2013, padded."""
DROP = 0.02
"""How far the middle of the training picture lies below that of YuNet's box, in box heights; measured likewise."""
REGION = 64
"""Pixels of the square in which a known face is sought again; the network wants multiples of 32."""
AROUND = 2.2
"""Sides of that square over the face's, at least: room for a step of more than half a face, which is then 29 wide."""
STRIDE = 8
"""Pixels of the finest grid in which the network looks for faces; it gives other boxes in a picture moved by less."""


class YuNetDetector:
    """YuNet 2023mar, which searches a picture of reduced size."""

    name = "yunet"

    def __init__(self, model: Path, width: int = 320) -> None:
        """Load the .onnx file, whose hash the caller has checked."""
        self.width, self._net = width, YuNet(model)

    def detect(self, image: Image, least: float = SCORE) -> list[Face]:
        """Faces in a BGR uint8 picture, best score first, with at least this one."""
        small, scale = shrink(image, self.width)
        faces = [_face(row, scale) for row in _sound(self._net.rows(small), max(small.shape))]
        return sorted((f for f in faces if f.score >= least), key=lambda f: (-f.score, f.box))

    def near(self, image: Image, boxes: Sequence[Box]) -> list[list[Face]]:
        """Faces around each box, doubtful ones too; the regions lie side by side in one picture for the network."""
        full, regions = scale_to(image, self.width), []
        for box in boxes:
            scale = REGION / (AROUND * max(box[2], 1.0))
            regions.append(region(image, box, REGION, *((full, STRIDE) if scale >= full else (scale, 1))))
        found: list[list[Face]] = [[] for _ in boxes]
        for row in _sound(self._net.rows(np.hstack([r.part for r in regions])), REGION):
            number = min(max(int(row[0] + row[2] / 2) // REGION, 0), len(boxes) - 1)
            there = regions[number]
            face = moved(_face(row, there.scale), there.left - number * REGION / there.scale, there.top)
            found[number].append(face)
        return found


def _sound(rows: Rows, longest: int) -> Rows:
    """The rows that are boxes at all, of a picture with that longest side."""
    sizes = rows[:, 2:4]
    return rows[np.isfinite(rows).all(axis=1) & (sizes > 0).all(axis=1) & (sizes <= MAX_AREA * longest).all(axis=1)]


def _face(row: NDArray[np.float32], scale: float) -> Face:
    """One of the net's rows: box, five landmarks, score, in pixels of a picture that is `scale` of the whole."""
    points = tuple((float(x) / scale, float(y) / scale) for x, y in row[4:14].reshape(5, 2))
    return Face(frame_face(*(float(v) / scale for v in row[:4])), float(row[14]), points)


def frame_face(left: float, top: float, width: float, height: float) -> tuple[float, float, float, float]:
    """YuNet's tight upright box, reframed to the square that the training pictures show (all in pixels)."""
    side = SIDE * math.sqrt(max(width, 1.0) * max(height, 1.0))
    return (left + width / 2 - side / 2, top + height * (0.5 + DROP) - side / 2, side, side)
