"""Video files and network streams, read by OpenCV's FFmpeg."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from ...errors import SourceError
from ..types import Frame

OPEN_TIMEOUT_MS = READ_TIMEOUT_MS = 10_000
"""How long a stream may take to answer, and between frames."""
ASSUMED_FPS = 25.0
"""For files that state no frame rate."""


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


class StreamSource:
    """A stream by its URL; times are those of arrival."""

    live = True
    still = False
    frames: int | None = None

    def __init__(self, url: str) -> None:
        """Connect; raises SourceError when nobody answers within the time limit."""
        import cv2

        parts = urlsplit(url)
        self.name = f"{parts.scheme}://{parts.hostname or ''}"  # a URL's path and user may hold a password
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_TIMEOUT_MS]
        self._capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, limits)
        if not self._capture.isOpened():
            raise SourceError(
                f"no video came from {self.name} within {OPEN_TIMEOUT_MS // 1000} s",
                cause="the address or password is wrong, or the camera is off",
                hint="ffprobe -v error URL",
            )
        stated = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.fps = stated if 0 < stated < 1000 else ASSUMED_FPS

    def __iter__(self) -> Iterator[Frame]:
        """Frames until the stream ends; raises SourceError when it gives none."""
        yield from live_frames(self._capture, self.name)

    def close(self) -> None:
        """See Source."""
        self._capture.release()


def live_frames(capture: Any, name: str) -> Iterator[Frame]:
    """Frames of a camera or stream, timed by the monotonic clock; raises SourceError when not even one comes."""
    index, start = 0, monotonic()
    while True:
        good, image = capture.read()
        if not good:
            break
        if index == 0:
            start = monotonic()
        yield Frame(index, monotonic() - start, image)
        index += 1
    if index == 0:
        raise SourceError(
            f"{name} opened but gave no picture", cause="another program uses it, or its format is not supported"
        )
