"""The calibration set: real face crops, as many of each expression, and a digest of what they were."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from ..bundle import Image, whole_image
from ..errors import InputError
from ..words import counted

MIN_PICTURES = 32
"""Fewer pictures than this do not show the range of the activations."""
MIN_LIKENESS = 0.5
"""Correlation of neighbouring pixels below which a picture is noise; faces have .9 and more, noise has 0."""


def calibration_set(pictures: Sequence[Image], size: int) -> list[Image]:
    """Crops for a graph of this size, uint8 (S, S, 3), after a look at what they are.

    Args:
        pictures: uint8 RGB pictures of faces, of any size.

    Raises:
        InputError: too few, all alike, or noise.
    """
    if len(pictures) < MIN_PICTURES:
        raise InputError(
            f"{counted(len(pictures), 'calibration picture')}: too few",
            cause=f"at least {MIN_PICTURES} real face crops are needed",
            hint="take a larger folder of labelled faces",
        )
    likeness = float(np.median([neighbour_correlation(p) for p in pictures]))
    if likeness < MIN_LIKENESS:
        raise InputError(
            f"the calibration pictures are not pictures: neighbouring pixels correlate by {likeness:.2f} only",
            cause="random noise or blank images give ranges that no face has",
            hint="take a folder of real face crops",
        )
    if len({p.tobytes() for p in pictures}) < MIN_PICTURES:
        raise InputError(
            "the calibration pictures are copies of a few",
            cause=f"at least {MIN_PICTURES} different faces are needed",
            hint="take a larger folder of labelled faces",
        )
    return [whole_image(p, size) for p in pictures]


def neighbour_correlation(picture: Image) -> float:
    """Correlation of each pixel's grey with its right neighbour's, -1..1; 0 for a picture of one colour."""
    grey = picture.astype(np.float64).mean(axis=2)
    left, right = grey[:, :-1].ravel(), grey[:, 1:].ravel()
    if left.size < 2 or left.std() < 1e-6 or right.std() < 1e-6:
        return 0.0
    return float(np.corrcoef(left, right)[0, 1])


def digest_of(pictures: Sequence[Image]) -> str:
    """SHA-256 of all crops, in their order."""
    total = hashlib.sha256()
    for picture in pictures:
        total.update(picture.tobytes())
    return total.hexdigest()
