"""A file in memory in which pictures cross to or from a child: mapped on both sides, nothing goes through a pipe."""

from __future__ import annotations

import fcntl
import math
import mmap
import os

import numpy as np
from numpy.typing import NDArray

FIRST_BYTES = 1 << 20
"""To begin with, five crops of 256 x 256; a larger batch makes the file longer."""


class SharedPictures:
    """The parent's end; `worker.py` maps the same file for reading, `camera_child.py` for writing.

    The file can only grow: a child that runs wild and cuts it short would otherwise end whoever reads it (SIGBUS).
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._map: mmap.mmap
        self._grow(FIRST_BYTES)

    @classmethod
    def create(cls) -> SharedPictures | None:
        """A new file in memory; None where the kernel or a sandbox does not allow one."""
        try:
            descriptor = os.memfd_create("fer-edge-pictures", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
            return cls(descriptor)
        except (OSError, AttributeError):
            return None

    def write(self, batch: NDArray[np.uint8]) -> None:
        """Put a batch of any layout at the beginning of the file, in C order."""
        if batch.nbytes > len(self._map):
            self._map.close()
            self._grow(batch.nbytes)
        np.frombuffer(self._map, np.uint8, batch.size).reshape(batch.shape)[:] = batch

    def view(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """The picture of that shape that the child left at the beginning; to be copied and let go of at once.

        Raises ValueError: the child did not make the file long enough for it.
        """
        count = math.prod(shape)
        if count > len(self._map):
            size = os.fstat(self.descriptor).st_size
            if count > size:
                raise ValueError(f"{count} bytes do not fit into {size}")
            self._map.close()
            self._map = mmap.mmap(self.descriptor, size)
        return np.frombuffer(self._map, np.uint8, count).reshape(shape)

    def close(self) -> None:
        """Let go of it; calling it twice is harmless."""
        if self.descriptor >= 0:
            self._map.close()
            os.close(self.descriptor)
        self.descriptor = -1

    def _grow(self, size: int) -> None:
        os.ftruncate(self.descriptor, size)
        self._map = mmap.mmap(self.descriptor, size)
