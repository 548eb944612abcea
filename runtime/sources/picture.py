"""What a camera gives, as a picture of ours: uint8, three channels, blue first, in memory of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...bundle import Image
from ...errors import SourceError

MAX_SIDE = 16384
"""Pixels; beyond it, a shape is taken for nonsense."""


@dataclass(frozen=True)
class Picture:
    """One picture as it was read.

    Attributes:
        image: uint8 (H, W, 3), BGR.
        at_s: monotonic seconds when it was there.
        time_s: seconds since the source began, by the source's own clock; None when it has none.
    """

    image: Image
    at_s: float
    time_s: float | None = None


def check_shape(shape: tuple[int, ...], name: str) -> None:
    """Raise SourceError when that cannot be a picture: (H, W) or (H, W, C) with 1, 3 or 4 channels."""
    sides, channels = shape[:2], shape[2:]
    good = len(shape) in (2, 3) and all(1 <= side <= MAX_SIDE for side in sides) and channels in ((), (1,), (3,), (4,))
    if not good:
        raise SourceError(
            f"{name} gives pictures of shape {shape}, which are not understood",
            cause="they should be grey, BGR or BGRA, of at least one pixel",
        )


def as_bgr(image: NDArray[np.uint8]) -> Image:
    """A copy as uint8 (H, W, 3), blue first, of a checked (H, W), (H, W, 1), BGR or BGRA picture."""
    image = image[:, :, None] if image.ndim == 2 else image
    copy = np.empty((*image.shape[:2], 3), np.uint8)
    copy[:] = image[:, :, :3]  # one grey channel is spread over three
    return copy
