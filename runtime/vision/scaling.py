"""Pictures brought to another size by means of pixels, as the detectors and the quality gate look at them.

Written in numpy: OpenCV, which does the same and is faster, is 16 MiB of memory. Sums are of whole numbers, so that a
small picture has the same bytes on every board.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Taps = tuple[NDArray[np.intp], NDArray[np.uint16]]
"""Along one axis, both (taps, size): which positions each result is made of, and how many 256ths of it each is."""
STRIP = 32
"""Rows of the result that are made at once: what lies between stays in the processor's cache."""


def by_area(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """A picture, H x W or H x W x channels, in which each pixel is the mean of the area that it covers.

    As OpenCV's INTER_AREA, to a grey level; an enlarged picture likewise, where an area is a part of one or two pixels.
    """
    return _scaled(picture, width, height, _covered)


def by_samples(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """One at most half as wide and high: each pixel is the mean of four bilinear samples, spread evenly over its area.

    For fewer sums than `by_area` where a picture shrinks a lot.
    """
    return _scaled(picture, width, height, _sampled)


def _scaled(picture: NDArray[np.uint8], width: int, height: int, taps: Callable[[int, int], Taps]) -> NDArray[np.uint8]:
    high, wide, channels = len(picture), picture.shape[1], picture[0, 0].size
    lines = picture.reshape(high, -1)
    rows, row_shares = taps(high, height)
    columns, column_shares = taps(wide, width)
    columns = (columns[:, :, None] * channels + np.arange(channels)).reshape(len(columns), -1)
    column_shares = column_shares.repeat(channels, axis=1)
    made = np.empty((height, columns.shape[1]), np.uint8)
    for top in range(0, height, STRIP):
        strip = slice(top, top + STRIP)
        means = np.zeros((), np.uint16)
        for row, share in zip(rows[:, strip], row_shares[:, strip, None], strict=True):
            means = means + np.multiply(lines[row], share, dtype=np.uint16)
        sums = np.full((), 1 << 15, np.uint32)
        for column, share in zip(columns, column_shares, strict=True):
            sums = sums + np.multiply(means.take(column, axis=1), share, dtype=np.uint32)
        made[strip] = sums >> 16
    return made.reshape(height, width, *picture.shape[2:])


@lru_cache(maxsize=64)
def _covered(length: int, size: int) -> Taps:
    """Every position that a result's cell touches, by the share of the cell that it fills."""
    first = np.arange(size) * length // size
    places = first + np.arange(-(-length // size) + 2)[:, None]
    passed = np.clip((places * size - np.arange(size) * length) / length, 0, 1)  # of the cell, before each position
    shares = np.diff(np.rint(256 * passed), axis=0)
    used = shares.any(axis=1)
    return np.minimum(places[:-1][used], length - 1), shares[used].astype(np.uint16)


@lru_cache(maxsize=64)
def _sampled(length: int, size: int) -> Taps:
    """The neighbours of two points in a result's cell, at a quarter and at three quarters of it."""
    at = ((np.arange(2 * size) + 0.5) * length / (2 * size) - 0.5).reshape(size, 2).T
    first = np.floor(at).astype(np.intp)
    after = np.rint(128 * (at - first))
    shares = np.concatenate([128 - after, after]).astype(np.uint16)
    return np.concatenate([first, np.minimum(first + 1, length - 1)]), shares
