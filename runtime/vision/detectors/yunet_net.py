"""YuNet's network by ONNX Runtime, which is there to classify, too: OpenCV's rows in half of its time on x86-64."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....bundle import Image
from ...backends.ort import open_session
from .detector import DOUBTFUL

GRIDS = (8, 16, 32)
"""Pixels of a cell in the grids of places where the network looks for small, middling and large faces."""
OUTPUTS = [f"{what}_{grid}" for grid in GRIDS for what in ("cls", "obj", "bbox", "kps")]
OVERLAP = 0.3
"""Boxes that overlap by more are of one face, of which the best is kept."""
CANDIDATES = 5000
"""Boxes that are compared, the best first, before those of one face are made one; a face gives five or ten."""
FIXED, ANY = b"\x0a\x03\x08\x80\x05" * 2, b"\x0a\x03\x12\x01h\x0a\x03\x12\x01w"
"""Height and width of the input as the file has them, 640 and 640, and as symbols: the layers are the same for every
size. Its bytes are known by their hash, and have this once."""

Rows = NDArray[np.float32]
"""A row a face, in pixels of the picture: left, top, width and height, x and y of five points, and the score."""


class YuNet:
    """The network, for pictures of every size."""

    def __init__(self, model: Path) -> None:
        """Load the .onnx file, whose hash the caller has checked."""
        self._session = open_session(model.read_bytes().replace(FIXED, ANY, 1), threads=1)

    def rows(self, picture: Image) -> Rows:
        """Faces, doubtful ones too, in a BGR uint8 picture, the best first."""
        high, wide = (-(-side // GRIDS[-1]) * GRIDS[-1] for side in picture.shape[:2])
        planes = np.zeros((1, 3, high, wide), np.float32)
        for channel in range(3):
            planes[0, channel, : picture.shape[0], : picture.shape[1]] = picture[:, :, channel]
        told = self._session.run(OUTPUTS, {"input": planes})
        sort, there, boxes, points = (np.concatenate(told[first::4], axis=1)[0] for first in range(4))
        found = _rows(sort, there, boxes, points, *_cells(high, wide))
        return found if len(found) < 2 else found[_best(found)]


@lru_cache(maxsize=16)
def _cells(high: int, wide: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Of every cell of the grids, in the network's order: its column and row (N, 2), and its side in pixels (N, 1)."""
    places = [np.stack(np.meshgrid(range(wide // g), range(high // g)), axis=-1).reshape(-1, 2) for g in GRIDS]
    sides = np.repeat(GRIDS, [len(cells) for cells in places])
    return np.concatenate(places).astype(np.float32), sides[:, None].astype(np.float32)


def _rows(sort: Rows, there: Rows, boxes: Rows, points: Rows, corners: Rows, sides: Rows) -> Rows:
    """The rows of the cells that may hold a face, from what the network says of every cell."""
    scores = np.sqrt(sort * there)
    cells = np.flatnonzero(scores >= DOUBTFUL)
    corner, side = corners[cells], sides[cells]
    with np.errstate(over="ignore"):  # on slivers of pictures: who takes the rows leaves out infinite ones
        size = np.exp(boxes[cells, 2:]) * side
    found = np.empty((len(cells), 15), np.float32)
    found[:, :2] = (corner + boxes[cells, :2]) * side - size / 2
    found[:, 2:4] = size
    found[:, 4:14] = ((points[cells].reshape(-1, 5, 2) + corner[:, None]) * side[:, None]).reshape(-1, 10)
    found[:, 14] = scores[cells, 0]
    return found


def _best(found: Rows) -> list[int]:
    """Which rows are faces of their own, the best first: each leaves out those that overlap it by more than OVERLAP."""
    order = np.argsort(-found[:, 14], kind="stable")[:CANDIDATES]
    kept: list[int] = []
    with np.errstate(invalid="ignore", over="ignore"):
        left, top, width, height = found[:, :4].T
        while len(order):
            first, rest = order[0], order[1:]
            kept.append(int(first))
            across = np.minimum(left + width, (left + width)[first])[rest] - np.maximum(left, left[first])[rest]
            down = np.minimum(top + height, (top + height)[first])[rest] - np.maximum(top, top[first])[rest]
            shared = np.maximum(across, 0) * np.maximum(down, 0)
            whole = (width * height)[rest] + width[first] * height[first] - shared
            order = rest[~(shared > OVERLAP * whole)]
    return kept
