"""What a face detector is, and how the picture is brought down to the width at which one searches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from ....bundle import Image
from ...types import Box, Face
from ..scaling import by_area, by_samples

SCORE = 0.6
"""From here on a detector that gives scores has found a face."""
DOUBTFUL = 0.4
"""From here on there may be a face, and a face that was there in the last picture still is."""


class Detector(Protocol):
    """Finds faces."""

    name: str

    def detect(self, image: Image, least: float = SCORE) -> list[Face]:
        """Faces in a BGR uint8 picture, best first, with at least this score."""

    def near(self, image: Image, boxes: Sequence[Box]) -> list[list[Face]]:
        """The same around each of these boxes alone, doubtful ones among them: all at the cost of a few small parts."""


def shrink(image: Image, width: int) -> tuple[Image, float]:
    """A picture brought down to `width` pixels (0: as it is; never enlarged), and the factor that did it."""
    scale = scale_to(image, width)
    if scale == 1.0:
        return image, scale
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return by_area(image, *size), scale


def scale_to(image: Image, width: int) -> float:
    """The factor that brings a picture down to `width` pixels; 1 for 0 and for pictures that are smaller."""
    return min(1.0, width / image.shape[1]) if width else 1.0


@dataclass(frozen=True)
class Region:
    """A square part of a picture: its pixels, where it begins in the picture, and the scale of its pixels to those."""

    part: Image
    left: int
    top: int
    scale: float


def region(image: Image, box: Box, side: int, scale: float, step: int = 1) -> Region:
    """The square part around a box, black where the picture ends.

    Args:
        side: of the part, in its own pixels.
        scale: of these to the picture's, nearly: the square is of whole pixels.
        step: the part begins at a multiple of so many of its own pixels.
    """
    wide = max(1, round(side / scale))
    step_there = step * wide / side
    left, top = (round(round((box[axis] + (box[axis + 2] - wide) / 2) / step_there) * step_there) for axis in (0, 1))
    part = image[max(top, 0) : max(top + wide, 0), max(left, 0) : max(left + wide, 0)]
    if part.shape[:2] != (wide, wide):
        whole = np.zeros((wide, wide, 3), np.uint8)
        if part.size:
            whole[max(-top, 0) :, max(-left, 0) :][: part.shape[0], : part.shape[1]] = part
        part = whole
    if wide != side:  # of a much larger part a mean over areas would take several times as long, for the same faces
        part = (by_samples if wide > 2 * side else by_area)(part, side, side)
    return Region(part, left, top, side / wide)


def moved(face: Face, right: float, down: float) -> Face:
    """A face of a part as a face of the picture, which that part begins so far to the right and down in."""
    left, top, width, height = face.box
    points = tuple((x + right, y + down) for x, y in face.landmarks) if face.landmarks else None
    return replace(face, box=(left + right, top + down, width, height), landmarks=points)
