"""The two ways to read: a source gives frame after frame, a reader gives the next picture within a deadline."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...bundle import Image
from ...errors import FerEdgeError, SourceError
from ..types import Frame

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


def shown(name: str) -> str:
    """A file's name for people and tables, where bytes that are not UTF-8 are marked."""
    return os.fsencode(name).decode("utf-8", "replace")


class Source(Protocol):
    """A sequence of frames that is read once.

    Attributes:
        name: for people; no folder names in it.
        fps: frames per second of the source, or 0 when it has none.
        frames: how many there should be, or None.
        live: frames come when they come and cannot be asked for again.
        still: pictures that do not belong together in time.
    """

    name: str
    fps: float
    frames: int | None
    live: bool
    still: bool

    def __iter__(self) -> Iterator[Frame]:
        """Frames in order; raises SourceError when the source breaks."""

    def close(self) -> None:
        """Let go of files and devices."""


class Reader(Protocol):
    """Opened once, read until it ends or breaks, then closed; another attempt takes another reader.

    Attributes:
        name: for people; without password or folder.
        live: pictures come when they come; others are shown at the pace of their time stamps.
        finite: it has an end, and waits until it is read.
    """

    name: str
    live: bool

    @property
    def finite(self) -> bool:
        """See above."""

    def open(self, limit_s: float) -> None:
        """Open it within so many seconds; raises a FerEdgeError."""

    def read(self, limit_s: float) -> Picture | None:
        """The next picture within so many seconds, or None at the end; raises a FerEdgeError."""

    def interrupt(self) -> None:
        """From another thread: what is being opened or read ends at once, with an error."""

    def close(self) -> None:
        """Let go of it within a second; calling it twice, or before opening, is harmless."""


class Phase(str, Enum):
    """What a source does."""

    OPENING = "opening"
    DELIVERING = "delivering"
    LOST = "lost"
    ENDED = "ended"


@dataclass(frozen=True)
class State:
    """A phase, why it is so, and since when.

    Attributes:
        reason: a sentence for people; empty when all is well.
        since_s: monotonic seconds when the phase began; a lost source that is tried again in vain stays lost.
    """

    phase: Phase
    reason: str = ""
    since_s: float = 0.0


def reason_of(error: Exception) -> str:
    """An error as a reason: its message and likely cause; the kind of one that nobody foresaw."""
    if isinstance(error, FerEdgeError):
        return f"{error.message} ({error.cause})" if error.cause else error.message
    words = str(error).strip().split("\n")[0]
    return f"the reader failed: {type(error).__name__}{': ' + words if words else ''}"
