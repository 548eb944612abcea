"""A reader as a source, for whoever reads frame by frame without a capture thread: `fer-edge run` on a Pi."""

from __future__ import annotations

from collections.abc import Iterator

from ..types import Frame
from .camera_process import ReaderProcess
from .capture import DEADLINE_S, OPEN_S
from .video import ASSUMED_FPS


class ReaderSource:
    """A camera in a process of its own; see sources.Source."""

    live = True
    still = False
    frames: int | None = None

    def __init__(self, reader: ReaderProcess) -> None:
        """Open it; raises DeviceNotFound or SourceError."""
        self._reader = reader
        self.name = reader.name
        try:
            reader.open(OPEN_S)
        except BaseException:
            reader.close()
            raise
        stated = float(reader.about.get("fps", 0.0))
        self.fps = stated if 0 < stated < 1000 else ASSUMED_FPS

    def __iter__(self) -> Iterator[Frame]:
        """Frames timed by the monotonic clock; raises SourceError when the camera goes away or hangs."""
        index, start = 0, 0.0
        while True:
            picture = self._reader.read(DEADLINE_S)
            start = picture.at_s if index == 0 else start
            yield Frame(index, picture.at_s - start, picture.image)
            index += 1

    def close(self) -> None:
        """See Source."""
        self._reader.close()
