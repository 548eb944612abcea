"""The child's side of a camera or stream that is read in a process of its own. Self-contained: Python 3.9, numpy.

child_process/child.py loads this file and documents how messages look; there, `file` is a driver of drivers/ and `what`
the camera or the URL. What the driver opens has `read()`: uint8 (H, W) or (H, W, C) in BGR or BGRA, or None at the end.
Beside those messages:

    in   N  nothing      the next picture    out  P  monotonic seconds and those of the camera's own clock, NaN where it
                                                     has none (2 x f64), shape (3 x u32) and, where there is no shared
                                                     file for them, the pixels
                                             out  Z  nothing: no more pictures

Nothing is read ahead: a picture is asked for, and waited for, by the parent, who kills this process at its deadline.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from typing import Any

import numpy as np

PICTURE = struct.Struct("<2d3I")


class Server:
    """Reads the camera that was opened."""

    heartbeat_s = 0.0

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._map = mmap.mmap(memory, 0) if memory >= 0 else None

    def answer(self, camera: Any, kind: bytes, body: bytes) -> tuple[bytes, ...]:
        """The next picture, its time and shape; raises ValueError for what is none."""
        if kind != b"N":
            raise ValueError(f"a message of unknown kind {kind!r}")
        image = camera.read()
        stamp = time.monotonic()  # CLOCK_MONOTONIC is the same in every process
        if image is None or not np.size(image):
            return (b"Z",)
        image = np.asarray(image)
        if image.dtype != np.uint8 or image.ndim not in (2, 3):
            raise ValueError(f"pictures of {image.ndim} dimensions and {image.dtype} pixels are not understood")
        image = image[:, :, None] if image.ndim == 2 else image
        own = getattr(camera, "time_s", None)
        head = PICTURE.pack(stamp, float("nan") if own is None else own, *image.shape)
        if self._map is None:
            return b"P", head, image.tobytes()
        self._share(image)
        return b"P", head

    def _share(self, image: Any) -> None:
        """Put a picture at the beginning of the file, in C order; the parent does not look while this runs."""
        assert self._map is not None
        if image.nbytes > len(self._map):
            self._map.close()
            os.ftruncate(self._memory, image.nbytes)
            self._map = mmap.mmap(self._memory, 0)
        np.frombuffer(self._map, np.uint8, image.size).reshape(image.shape)[:] = image
