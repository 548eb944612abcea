"""Pictures of a known number of faces and pixels, made of the demo's portraits, which are in the public domain."""

from __future__ import annotations

import numpy as np

from ....bundle import Image
from ....runtime.sources.demo import PLACES, WALL, WIDE

COLUMNS, ROWS = 4, 4
"""Places of faces; a picture of fewer leaves places empty, so that all faces are of one size."""


def wall_of(faces: int, width: int = 640, height: int = 480) -> Image:
    """A grey picture with so many of the demo's portraits in places of one size, BGR."""
    picture = np.full((height, width, 3), 128, np.uint8)
    wide, high = width // COLUMNS, height // ROWS
    side = min(wide, high)
    for number in range(faces):
        x, y = number % COLUMNS * wide, number // COLUMNS * high
        picture[y : y + side, x : x + side] = _portrait(number % len(PLACES), side)
    return picture


def one_face(width: int, height: int) -> Image:
    """One portrait as high as the picture, BGR."""
    picture = np.full((height, width, 3), 128, np.uint8)
    picture[:, :height] = _portrait(0, height)
    return picture


def _portrait(which: int, side: int) -> Image:
    """One of the demo's, square, BGR."""
    from ....opencv import cv2

    wall = cv2.imdecode(np.fromfile(WALL, np.uint8), cv2.IMREAD_COLOR)
    left, top = PLACES[which]
    tile = wall[top : top + WIDE, left : left + WIDE]
    shrinks = side < WIDE
    return np.asarray(cv2.resize(tile, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR))
