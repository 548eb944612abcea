"""Faces that are not to be read: too small, cut off, turned away, too dark, too bright or blurred.

Every limit lies where the shipped model's accuracy on FER+'s validation faces, spoilt so on purpose, falls below about
a half to two thirds (docs/quality-gate.md has the curves); `uncertain` goes on to mean a readable face without a clear
expression.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...bundle import Image
from ..types import Face
from .landmarks import yaw_and_pitch

UNSUITABLE = "unsuitable"
"""Said instead of a label of a face that was not read."""
REASONS = ("small", "cut off", "turned away", "dark", "bright", "blurred")

LEAST_SIDE = 14
"""Pixels of the box in the picture itself."""
MOST_OUTSIDE = 0.45
"""Share of the box beyond the picture's border."""
MOST_YAW, PITCH = 0.45, (0.25, 0.85)
"""See `yaw_and_pitch`."""
LEAST_CONTRAST = 4.5
"""Standard deviation of the crop's grey levels, of 255."""
WHITE, MOST_WHITE = 253, 0.85
"""The grey level from which on a pixel is overexposed, and the share of the crop that may be."""
LEAST_SHARPNESS = 0.15
"""See `sharpness`."""
SIDE, COARSE = 112, 28
"""Pixels to which a crop is brought before it is looked at, so that one limit holds for bundles of every size; and for
its sharpness: there a blur that hides the expression still shows, and the rounding to whole grey levels does not."""


def unsuitable(face: Face, crop: Image, picture: tuple[int, int]) -> str:
    """Why a face is not to be read, one of REASONS; empty where it may be.

    Args:
        face: as it was found.
        crop: what the classifier would see of it, uint8 S x S x 3 RGB.
        picture: width and height of the whole picture in pixels.
    """
    if min(face.box[2:]) < LEAST_SIDE:
        return "small"
    if _outside(face, picture) > MOST_OUTSIDE:
        return "cut off"
    if face.landmarks:
        yaw, pitch = yaw_and_pitch(face.landmarks)
        if abs(yaw) > MOST_YAW or not PITCH[0] <= pitch <= PITCH[1]:
            return "turned away"
    return _spoilt(crop)


def _spoilt(crop: Image) -> str:
    import cv2

    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    if grey.shape != (SIDE, SIDE):
        grey = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    if np.count_nonzero(grey >= WHITE) > MOST_WHITE * grey.size:
        return "bright"
    contrast = float(grey.std())
    if contrast < LEAST_CONTRAST:
        return "dark" if grey.mean() < 128 else "bright"
    return "blurred" if sharpness(np.asarray(grey, np.uint8), contrast) < LEAST_SHARPNESS else ""


def sharpness(grey: NDArray[np.uint8], contrast: float) -> float:
    """How much of what is seen is fine: the deviation of the Laplacian over that of the grey levels.

    Args:
        grey: uint8 SIDE x SIDE.
        contrast: its standard deviation; 4 levels are added to it, so that noise in the dark is no detail.
    """
    import cv2

    coarse = cv2.resize(grey, (COARSE, COARSE), interpolation=cv2.INTER_AREA)
    edges = cv2.Laplacian(coarse, cv2.CV_32F)[1:-1, 1:-1]  # the border repeats pixels
    return float(edges.std()) / (contrast + 4)


def _outside(face: Face, picture: tuple[int, int]) -> float:
    """Share of the box that lies beyond the picture."""
    left, top, width, height = face.box
    across = min(left + width, picture[0]) - max(left, 0.0)
    down = min(top + height, picture[1]) - max(top, 0.0)
    return 1 - max(across, 0.0) * max(down, 0.0) / (width * height)
