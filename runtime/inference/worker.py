"""The worker's side of a backend in a process of its own. Self-contained: Python 3.6, numpy, the vendor's library.

child_process/child.py loads this file and documents how messages look; there, `file` is the backend and `what` the
artifact. Beside those messages:

    in   S  shape (4 x u32); pixels in the shared file   infer     out  L  shape (2 x u32) and float32 logits
    in   I  shape (4 x u32) and pixels                   infer     out  L
"""

import mmap
import struct
from typing import Any, Tuple

import numpy as np

PICTURES, LOGITS = struct.Struct("<4I"), struct.Struct("<2I")
HEARTBEAT_S = 1.0


class Server:
    """Gives pictures to the backend that was opened."""

    heartbeat_s = HEARTBEAT_S

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._map = None  # type: Any

    def answer(self, backend: Any, kind: bytes, body: bytes) -> Tuple[bytes, ...]:
        """Kind and parts of the answer to a message."""
        if kind not in (b"S", b"I"):
            raise ValueError(f"a message of unknown kind {kind!r}")
        batch = self._shared_pictures(body) if kind == b"S" else pictures(body)
        logits = np.ascontiguousarray(backend.infer(batch), np.float32)
        return b"L", LOGITS.pack(*logits.shape), logits.tobytes()

    def _shared_pictures(self, body: bytes) -> Any:
        """uint8 (N, S, S, 3) of an S message's shape, without a copy; the parent waits while they are read."""
        shape = PICTURES.unpack(body)
        count = shape[0] * shape[1] * shape[2] * shape[3]
        if self._map is None or len(self._map) < count:  # the first, or the parent made the file longer
            self._map = mmap.mmap(self._memory, 0, access=mmap.ACCESS_READ)
        return np.frombuffer(self._map, np.uint8, count).reshape(shape)


def pictures(body: bytes) -> Any:
    """uint8 (N, S, S, 3) of an I message's body, without a copy."""
    shape = PICTURES.unpack_from(body)
    return np.frombuffer(body, np.uint8, offset=PICTURES.size).reshape(shape)
