"""Moving boxes with the picture between two detections: a few points of each face, followed by optical flow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bundle import Image
from ..types import Box, Face, Landmarks, Track
from .detectors.detector import shrink

WIDTH = 240
"""Pixels of the picture's width in which points are followed: enough for a step of a few pixels, and 1 ms."""
GRID = 5
INNER = 0.6
"""Share of the box that the points cover, around its middle: the face without what is behind it."""
MIN_POINTS = 6
MAX_ERROR = 1.5
"""Pixels, there and back again (forward-backward error, Kalal 2010), above which a point is not trusted."""


class OpticalFlow:
    """Remembers the last picture and its faces, and finds them in the next one."""

    def __init__(self) -> None:
        self._grey: NDArray[np.uint8] | None = None
        self._tracks: list[Track] = []

    def seed(self, image: Image, tracks: Sequence[Track]) -> None:
        """Begin from a picture in which the faces were detected."""
        self._grey, self._tracks = _grey(image)[0] if tracks else None, list(tracks)

    def step(self, image: Image) -> list[Track] | None:
        """The same tracks in the next picture of that size, their boxes moved and scaled; None when one was lost."""
        if self._grey is None:
            return list(self._tracks)
        grey, scale = _grey(image)
        if grey.shape != self._grey.shape:
            return None
        moved: list[Track] = []
        for track in self._tracks:
            box = _moved(self._grey, grey, scale, track.face.box)
            if box is None:
                return None
            moved.append(Track(track.number, replace(track.face, box=box, landmarks=_carried(track.face, box))))
        self._grey, self._tracks = grey, moved
        return moved


def _carried(face: Face, box: Box) -> Landmarks | None:
    """A face's landmarks, moved and scaled as its box was."""
    if face.landmarks is None:
        return None
    grown = box[2] / face.box[2]
    return tuple((box[0] + (x - face.box[0]) * grown, box[1] + (y - face.box[1]) * grown) for x, y in face.landmarks)


def _grey(image: Image) -> tuple[NDArray[np.uint8], float]:
    import cv2

    small, scale = shrink(image, WIDTH)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8), scale


def _moved(before: NDArray[np.uint8], after: NDArray[np.uint8], scale: float, box: Box) -> Box | None:
    """The box by the median shift and spread of its points that came back to where they began; None for too few."""
    points = _grid(box, scale)
    there = _flow(before, after, points)
    back = _flow(after, before, there)
    error = np.abs(back - points).max(axis=1)
    inside = ((there >= 0) & (there < [after.shape[1], after.shape[0]])).all(axis=1)
    good = inside & (error < MAX_ERROR)
    if good.sum() < MIN_POINTS:
        return None
    old, new = points[good], there[good]
    shift = np.median(new - old, axis=0) / scale
    spread = [float(np.median(np.abs(p - np.median(p, axis=0)).sum(axis=1))) for p in (old, new)]
    grown = min(max(spread[1] / max(spread[0], 1e-6), 0.9), 1.1)
    left, top, width, height = box
    middle = left + width / 2 + float(shift[0]), top + height / 2 + float(shift[1])
    return middle[0] - width * grown / 2, middle[1] - height * grown / 2, width * grown, height * grown


def _grid(box: Box, scale: float) -> NDArray[np.float32]:
    left, top, width, height = (v * scale for v in box)
    steps = (1 - INNER) / 2 + INNER * np.linspace(0, 1, GRID)
    x, y = np.meshgrid(left + width * steps, top + height * steps)
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)


def _flow(a: NDArray[np.uint8], b: NDArray[np.uint8], points: NDArray[np.float32]) -> NDArray[Any]:
    import cv2

    there, found, _ = cv2.calcOpticalFlowPyrLK(a, b, points.reshape(-1, 1, 2), None, winSize=(15, 15), maxLevel=2)
    lost = found.ravel() == 0
    flat = np.asarray(there, np.float32).reshape(-1, 2)
    flat[lost] = np.float32(1e6)  # far outside: such a point is never good
    return flat
