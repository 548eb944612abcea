"""Frames of a real clip, scaled once and kept in memory, again and again, as fast as they are taken."""

from __future__ import annotations

from pathlib import Path
from time import monotonic

import cv2
import numpy as np
from fer_edge.bundle import Image
from fer_edge.runtime.sources import open_source
from fer_edge.runtime.sources.source import Picture


def scaled_clip(clip: Path, width: int) -> tuple[list[Image], float]:
    """Every frame of a clip at that width, uint8 (H, W, 3) BGR, and its frames a second."""
    source = open_source(str(clip))
    frames = [frame.image for frame in source]
    source.close()
    height = round(frames[0].shape[0] * width / frames[0].shape[1])
    small = [cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA) for image in frames]
    return [np.ascontiguousarray(image, np.uint8) for image in small], source.fps


class Memory:
    """A reader of them; see runtime.sources.source.Reader. It ends after so many."""

    name, live = "clip in memory", False

    def __init__(self, clip: Path, width: int, count: int) -> None:
        self._images, self._fps = scaled_clip(clip, width)
        self._count, self._next = count, 0

    def open(self, limit_s: float) -> None:
        """There is nothing to open."""

    def read(self, limit_s: float) -> Picture | None:
        """The next one, forwards and backwards in turn, so that no face jumps; a copy, as a camera would give."""
        if self._next == self._count:
            return None
        there, back = len(self._images), 2 * len(self._images) - 2
        place = self._next % back
        image = self._images[place if place < there else back - place]
        time_s = self._next / self._fps
        self._next += 1
        return Picture(image.copy(), monotonic(), time_s)

    def interrupt(self) -> None:
        """A read does not wait."""

    def close(self) -> None:
        """There is nothing to close."""
