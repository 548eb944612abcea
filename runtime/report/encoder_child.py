"""The child's side of a video that is encoded in a process of its own, under our own interpreter.

child_process/child.py loads this file and documents how messages look; there, `file` is this one and `what` the video's
path. Beside those messages:

    in   P  seconds (f64), shape (3 x u32); pixels in the shared file, or behind them where there is none   append
    in   C  nothing                                                                                   finish the file
                                                                                                      out  K  done
"""

from __future__ import annotations

import importlib
import importlib.util
import mmap
import os
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np

PICTURE = struct.Struct("<d3I")
KINDER = 5
"""Added to the process's niceness: the video may miss a frame, the kiosk should not."""


class Server:
    """Gives pictures to the encoder that was opened."""

    heartbeat_s = 0.0

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._map: mmap.mmap | None = None
        os.nice(KINDER)

    def answer(self, video: Video, kind: bytes, body: bytes) -> tuple[bytes, ...]:
        """Append or finish; raises ValueError for anything else."""
        if kind == b"C":
            video.close()
        elif kind == b"P":
            time_s, *shape = PICTURE.unpack_from(body)
            video.encoder.write(self._image(body, tuple(shape)), time_s)
        else:
            raise ValueError(f"a message of unknown kind {kind!r}")
        return (b"K",)

    def _image(self, body: bytes, shape: tuple[int, ...]) -> Any:
        """uint8 (H, W, 3), without a copy; the parent waits while it is read."""
        if self._memory < 0:
            return np.frombuffer(body, np.uint8, offset=PICTURE.size).reshape(shape)
        count = shape[0] * shape[1] * shape[2]
        if self._map is None or len(self._map) < count:  # the first, or the parent made the file longer
            self._map = mmap.mmap(self._memory, 0, access=mmap.ACCESS_READ)
        return np.frombuffer(self._map, np.uint8, count).reshape(shape)


class Video:
    """A file that is being encoded."""

    def __init__(self, encoder: Any) -> None:
        self.encoder, self._open = encoder, True

    def describe(self) -> dict[str, str]:
        """Nothing that the parent does not know."""
        return {}

    def close(self) -> None:
        """Finish the file; calling it twice is harmless."""
        if self._open:
            self._open = False
            self.encoder.close()


def open(what: str, options: dict[str, Any]) -> Video:
    """Begin a file with the encoder of that name; options: package, its folder; kind, width, height, fps."""
    name, folder = options["package"], options["folder"]
    place = os.path.join(folder, "__init__.py")
    # By its place: an isolated interpreter does not find a package that lies in the parent's working folder.
    spec = importlib.util.spec_from_file_location(name, place, submodule_search_locations=[folder])
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = package = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)
    kind = getattr(importlib.import_module(f"{name}.runtime.report.encoders"), options["kind"])
    return Video(kind(Path(what), options["width"], options["height"], options["fps"]))
