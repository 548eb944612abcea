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
from .scaling import by_area

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

BRIGHTNESS = (9798, 19235, 3735)
"""Shares of red, green and blue in a grey level, in 2^15ths: 0.299, 0.587 and 0.114 (ITU-R BT.601)."""


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
    grey = _grey(crop)
    if grey.shape != (SIDE, SIDE):
        grey = by_area(grey, SIDE, SIDE)
    if np.count_nonzero(grey >= WHITE) > MOST_WHITE * grey.size:
        return "bright"
    contrast = float(grey.std())
    if contrast < LEAST_CONTRAST:
        return "dark" if grey.mean() < 128 else "bright"
    return "blurred" if sharpness(grey, contrast) < LEAST_SHARPNESS else ""


def _grey(crop: Image) -> NDArray[np.uint8]:
    """The grey level of each pixel, as OpenCV has it."""
    sums = np.full(crop.shape[:2], 1 << 14, np.uint32)
    for channel, share in enumerate(BRIGHTNESS):
        sums += np.multiply(crop[:, :, channel], share, dtype=np.uint32)
    return (sums >> 15).astype(np.uint8)


def sharpness(grey: NDArray[np.uint8], contrast: float) -> float:
    """How much of what is seen is fine: the deviation of the Laplacian over that of the grey levels.

    Args:
        grey: uint8 SIDE x SIDE.
        contrast: its standard deviation; 4 levels are added to it, so that noise in the dark is no detail.
    """
    coarse = by_area(grey, COARSE, COARSE).astype(np.float32)
    beside = coarse[1:-1, :-2] + coarse[1:-1, 2:] + coarse[:-2, 1:-1] + coarse[2:, 1:-1]
    edges = beside - 4 * coarse[1:-1, 1:-1]
    return float(edges.std()) / (contrast + 4)


def _outside(face: Face, picture: tuple[int, int]) -> float:
    """Share of the box that lies beyond the picture."""
    left, top, width, height = face.box
    across = min(left + width, picture[0]) - max(left, 0.0)
    down = min(top + height, picture[1]) - max(top, 0.0)
    return 1 - max(across, 0.0) * max(down, 0.0) / (width * height)
