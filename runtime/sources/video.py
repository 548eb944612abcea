"""Video files, read by OpenCV's FFmpeg."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ...errors import SourceError
from ..types import Frame

ASSUMED_FPS = 25.0
"""For what states no frame rate."""


class VideoSource:
    """A video file, frame by frame, with the time stamps of the file."""

    live = False
    still = False

    def __init__(self, path: Path) -> None:
        """Open a file; raises SourceError when it is empty or holds no video."""
        import cv2

        self.name = path.name
        if path.stat().st_size == 0:
            raise SourceError(
                f"{path} is empty (0 bytes)", cause="the recording or copy did not finish", hint=f"ls -l {path}"
            )
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            raise SourceError(
                f"{path} holds no video that can be read",
                cause="it is cut short, holds only sound, or is no video at all",
                hint=f"ffprobe {path}",
            )
        stated = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.fps = stated if 0 < stated < 1000 else ASSUMED_FPS
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.frames = count if count > 0 else None

    def __iter__(self) -> Iterator[Frame]:
        """Frames with the file's own times, which never run backwards; raises SourceError when the file ends early."""
        import cv2

        index, last = 0, -1.0
        while True:
            good, image = self._capture.read()
            if not good:
                break
            stamp = float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
            last = stamp if stamp > last else last + 1 / self.fps
            yield Frame(index, last, image)
            index += 1
        if index == 0:
            raise SourceError(
                f"{self.name} ends before its first picture",
                cause="the file is cut short or its coding is unknown here",
                hint=f"ffprobe {self.name}",
            )
        if self.frames and index < 0.9 * self.frames - 2:
            raise SourceError(
                f"{self.name} ends after {index} of about {self.frames} pictures",
                cause="the file is cut short or damaged there; what came before it was analysed",
                hint=f"ffmpeg -v error -i {self.name} -f null -",
            )

    def close(self) -> None:
        """See Source."""
        self._capture.release()
