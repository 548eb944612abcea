"""A file in memory in which pictures cross to a worker: mapped on both sides, nothing is copied through a pipe."""

from __future__ import annotations

import mmap
import os

import numpy as np
from numpy.typing import NDArray

FIRST_BYTES = 1 << 20
"""To begin with, five crops of 256 x 256; a larger batch makes the file longer."""


class SharedPictures:
    """The parent's end; `worker.py` maps the same file for reading."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._grow(FIRST_BYTES)

    @classmethod
    def create(cls) -> SharedPictures | None:
        """A new file in memory; None where the kernel or a sandbox does not allow one."""
        try:
            return cls(os.memfd_create("fer-edge-pictures", os.MFD_CLOEXEC))
        except (OSError, AttributeError):
            return None

    def write(self, batch: NDArray[np.uint8]) -> None:
        """Put a batch of any layout at the beginning of the file, in C order."""
        if batch.nbytes > len(self._map):
            self._map.close()
            self._grow(batch.nbytes)
        np.frombuffer(self._map, np.uint8, batch.size).reshape(batch.shape)[:] = batch

    def close(self) -> None:
        """Let go of it; calling it twice is harmless."""
        if self.descriptor >= 0:
            self._map.close()
            os.close(self.descriptor)
        self.descriptor = -1

    def _grow(self, size: int) -> None:
        os.ftruncate(self.descriptor, size)
        self._map = mmap.mmap(self.descriptor, size)
