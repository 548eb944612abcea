"""Frames of a camera or stream, one by one, each with a deadline: what `fer-edge run` and the live check read."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import SourceError
from ..types import Frame
from .camera_process import DEADLINE_S, OPEN_S, CameraProcess, NoMorePictures
from .video import ASSUMED_FPS


class LiveSource:
    """A camera or stream for whoever reads frame by frame, without a capture thread; see source.Source."""

    live = True
    still = False
    frames: int | None = None

    def __init__(self, reader: CameraProcess) -> None:
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
        """Frames until it ends, timed by the monotonic clock; raises SourceError when it hangs or gives none."""
        index, start = 0, 0.0
        while True:
            try:
                picture = self._reader.read(DEADLINE_S)
            except NoMorePictures as error:
                if index:
                    return
                cause = "another program uses it, or its format is not supported"
                raise SourceError(f"{self.name} opened but gave no picture", cause=cause) from error
            start = picture.at_s if index == 0 else start
            yield Frame(index, picture.at_s - start, picture.image)
            index += 1

    def close(self) -> None:
        """See Source."""
        self._reader.close()
