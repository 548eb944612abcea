"""From a picture and a face box to what every graph takes: one function, used everywhere.

Training evaluation, export, calibration and the runtime all call `face_crop`. It is written in numpy so that a crop has
the same bytes on every board, whatever OpenCV it carries.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

Image = NDArray[np.uint8]
"""A picture, uint8, height x width x 3."""


def face_crop(image: Image, box: tuple[float, float, float, float], size: int) -> Image:
    """Cut a box out of a picture and scale it to a square, averaging when it shrinks and interpolating when it grows.

    Args:
        image: uint8, H x W x 3, RGB.
        box: left, top, width, height in pixels; may reach outside the picture, whose border pixels are then repeated.
        size: side of the result in pixels.

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
    rows, row_weights = _weights(top, height, image.shape[0], size)
    columns, column_weights = _weights(left, width, image.shape[1], size)
    planes = image[rows, columns].transpose(2, 0, 1).astype(np.float32, order="C")
    square = row_weights @ planes @ column_weights.T
    # Weights are positive and sum to 1, so the values stay within 0..255 and half up is a plain cast.
    return np.ascontiguousarray((square + np.float32(0.5)).astype(np.uint8).transpose(1, 2, 0))


def whole_image(image: Image, size: int) -> Image:
    """Scale a picture that already is a face crop, such as a training image, to `size` x `size` (uint8 RGB)."""
    return face_crop(image, (0, 0, image.shape[1], image.shape[0]), size)


@lru_cache(maxsize=16)  # pictures of one size hit it; faces found in a video never do, and would fill 25 MB
def _weights(start: float, length: float, limit: int, size: int) -> tuple[slice, NDArray[np.float32]]:
    """Triangle-filter weights along one axis: the source span to read and a (size, span) matrix whose rows sum to 1.

    The filter is as wide as the shrink factor (area-like averaging) and one pixel wide when enlarging (bilinear);
    sample positions follow the half-pixel convention. Positions beyond the picture are folded onto its border.
    """
    scale = length / size
    support = max(scale, 1.0)
    centres = start + (np.arange(size) + 0.5) * scale - 0.5
    first = np.floor(centres - support).astype(int)
    taps = first[:, None] + np.arange(int(np.ceil(2 * support)) + 2)
    weight = np.maximum(0.0, 1.0 - np.abs(taps - centres[:, None]) / support)
    weight /= weight.sum(axis=1, keepdims=True)
    inside = np.clip(taps, 0, limit - 1)
    used = inside[weight > 0]
    low, high = int(used.min()), int(used.max()) + 1
    matrix = np.zeros((size, high - low), np.float32)
    rows = np.broadcast_to(np.arange(size)[:, None], taps.shape)
    keep = weight > 0
    np.add.at(matrix, (rows[keep], inside[keep] - low), weight[keep].astype(np.float32))
    return slice(low, high), matrix
