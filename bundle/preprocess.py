"""From a picture and a face box to what every graph takes: one function, used everywhere.

Training evaluation, export, calibration and the runtime all call `face_crop`. It is written in numpy so that a crop has
the same bytes on every board, whatever OpenCV it carries, and as additions of weighted rows, not as a matrix product:
that would go to a BLAS, which rounds in its own order and splits a face over every core of the machine.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

Image = NDArray[np.uint8]
"""A picture, uint8, height x width x 3."""


def face_crop(image: Image, box: tuple[float, float, float, float], size: int, roll: int = 0) -> Image:
    """Cut a box out of a picture and scale it to a square, averaging when it shrinks and interpolating when it grows.

    Args:
        image: uint8, H x W x 3, RGB.
        box: left, top, width, height in pixels; may reach outside the picture, whose border pixels are then repeated.
        size: side of the result in pixels.
        roll: whole degrees by which the face leans clockwise; the box is turned with it about its middle.

    Returns:
        uint8, size x size x 3, RGB.

    Raises:
        InputError: the picture is not uint8 H x W x 3, or the box is empty.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise InputError(f"a picture must be uint8, height x width x 3; this one is {image.dtype} {image.shape}")
    left, top, width, height = (float(v) for v in box)
    if not (width > 0 and height > 0 and np.isfinite([left, top, width, height]).all()):
        raise InputError(f"a face box must have a positive, finite size; this one is {width:g} x {height:g}")
    backwards = image.strides[2] < 0  # a view of BGR; channels next to each other are read ten times as fast
    forwards = image[:, :, ::-1] if backwards else image
    planes = (_turned if roll else _upright)(forwards, (left, top, width, height), size, roll)
    return np.ascontiguousarray((planes[::-1] if backwards else planes).transpose(2, 1, 0))


def whole_image(image: Image, size: int) -> Image:
    """Scale a picture that already is a face crop, such as a training image, to `size` x `size` (uint8 RGB)."""
    return face_crop(image, (0, 0, image.shape[1], image.shape[0]), size)


def _upright(image: Image, box: tuple[float, float, float, float], size: int, roll: int = 0) -> Image:
    """A box as it stands, uint8 (3, size, size): channel, column, row."""
    left, top, width, height = box
    rows, row_weights = _taps(top, height, image.shape[0], size)
    columns, column_weights = _taps(left, width, image.shape[1], size)
    y, x = int(rows.min()), int(columns.min())
    part = image[y : rows.max() + 1, x : columns.max() + 1].astype(np.float32)
    lines = _weighted(part.reshape(len(part), -1), rows - y, row_weights)
    sideways = np.ascontiguousarray(lines.T).reshape(-1, 3 * size)
    square = _weighted(sideways, columns - x, column_weights)
    square += np.float32(0.5)  # weights are positive and sum to 1: values stay within 0..255, half up is a plain cast
    return square.astype(np.uint8).reshape(size, 3, size).transpose(1, 0, 2)


def _turned(image: Image, box: tuple[float, float, float, float], size: int, roll: int) -> Image:
    """A leaning face: the upright square around its turned box, scaled first, then turned back; as `_upright`."""
    around, corner, weights = _turn(size, roll)
    left, top, width, height = box
    more = (around / size - 1) / 2
    outer = (left - more * width, top - more * height, width * around / size, height * around / size)
    planes = _upright(image, outer, around).astype(np.float32, order="C").reshape(3, -1)
    total = np.zeros((3, size * size), np.float32)
    one = np.empty_like(total)
    for offset, weight in zip((0, around, 1, around + 1), weights, strict=True):
        np.take(planes[:, offset:], corner, axis=1, out=one, mode="clip")
        one *= weight
        total += one
    total += np.float32(0.5)
    return total.astype(np.uint8).reshape(3, size, size)


@lru_cache(maxsize=8)
def _turn(size: int, roll: int) -> tuple[int, NDArray[np.intp], NDArray[np.float32]]:
    """Side of the square that holds a turned one of `size` pixels, and bilinear sampling in it, column by column.

    Returns:
        the side; the index of each result's upper left neighbour (size²,); the weights of it, its right, its lower and
        its lower right neighbour (4, size²).
    """
    cosine, sine = (round(f(math.radians(roll)), 6) for f in (math.cos, math.sin))  # the same on every board's libm
    around = math.ceil(size * (abs(cosine) + abs(sine))) + 2
    step = np.arange(size) - (size - 1) / 2
    columns = (step[:, None] * cosine - step * sine + (around - 1) / 2).ravel()
    rows = (step[:, None] * sine + step * cosine + (around - 1) / 2).ravel()
    x, y = columns.astype(np.intp), rows.astype(np.intp)
    across, down = columns - x, rows - y
    weights = [(1 - down) * (1 - across), (1 - down) * across, down * (1 - across), down * across]
    return around, x * around + y, np.stack(weights).astype(np.float32)


def _weighted(lines: NDArray[np.float32], taps: NDArray[np.intp], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """One axis of the filter: float32 (size, N) from float32 (span, N); each result is a weighted sum of few lines."""
    total = np.zeros((taps.shape[1], lines.shape[1]), np.float32)
    one = np.empty_like(total)
    for tap, weight in zip(taps, weights, strict=True):
        np.take(lines, tap, axis=0, out=one, mode="clip")  # the other modes copy once more
        one *= weight[:, None]
        total += one
    return total


@lru_cache(maxsize=16)  # pictures of one size hit it; faces found in a video never do
def _taps(start: float, length: float, limit: int, size: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Triangle filter along one axis: two arrays (taps, size), which positions are read and with which weight.

    The filter is as wide as the shrink factor (area-like averaging) and one pixel wide when enlarging (bilinear);
    sample positions follow the half-pixel convention. Positions beyond the picture are folded onto its border. The
    weights of one result sum to 1.
    """
    scale = length / size
    support = max(scale, 1.0)
    centres = start + (np.arange(size) + 0.5) * scale - 0.5
    first = np.floor(centres - support).astype(int)
    taps = first + np.arange(int(np.ceil(2 * support)) + 2)[:, None]
    weight = np.maximum(0.0, 1.0 - np.abs(taps - centres) / support)
    weight /= weight.sum(axis=0)
    used = weight.any(axis=1)
    return np.clip(taps[used], 0, limit - 1), weight[used].astype(np.float32)
