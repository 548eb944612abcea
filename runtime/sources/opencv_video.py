"""Video files by OpenCV, where PyAV is not installed: what it cannot do is refused, and never looked at."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ...errors import SourceError
from ..types import Frame
from .drivers.opencv import QUIET, Interlaced, decoded
from .source import shown
from .torn import check_whole, is_torn
from .video import ASSUMED_FPS, no_video


class OpenCvVideo:
    """A video file, frame by frame; see source.Source."""

    live = False
    still = False

    def __init__(self, path: Path) -> None:
        """Open a file; raises SourceError when it holds no video."""
        from ...opencv import cv2

        self.name, self._path = shown(path.name), path
        os.environ.pop(QUIET, None)  # where it is set, FFmpeg's complaints of pictures that are none are not heard
        self._file = path.open("rb")
        # by its number: OpenCV crashes at a name that is not UTF-8, and takes one with a colon for a protocol
        self._capture, _ = decoded(lambda: cv2.VideoCapture(f"/proc/self/fd/{self._file.fileno()}", cv2.CAP_FFMPEG))
        if not self._capture.isOpened():
            self.close()
            raise no_video(path)
        stated = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.fps = stated if 0 < stated < 1000 else ASSUMED_FPS
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.frames = count if count > 0 else None
        self._size = _square_size(self._capture)

    def __iter__(self) -> Iterator[Frame]:
        """Frames with the file's own times, which never run backwards; raises SourceError as `torn.check_whole`."""
        from ...opencv import cv2

        index, last = 0, -1.0
        while True:
            try:
                (good, image), _ = decoded(self._capture.read)
            except Interlaced:
                raise SourceError(
                    f"{self.name} is interlaced, which OpenCV cannot decode",
                    cause="PyAV, which can, is not installed, or is too old",
                    hint="pip install 'av>=16.1'",
                ) from None
            if not good:
                break
            stamp = float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
            last = stamp if stamp > last else last + 1 / self.fps
            yield Frame(index, last, cv2.resize(image, self._size) if self._size else image)
            index += 1
        stated_s = (self.frames or 0) / self.fps
        check_whole(self.name, index, last + 1 / self.fps, stated_s, self.fps, is_torn(self._path))

    def close(self) -> None:
        """See Source."""
        self._capture.release()
        self._file.close()


def _square_size(capture: object) -> tuple[int, int] | None:
    """Width and height with square pixels; None when they are square."""
    from ...opencv import cv2

    get = capture.get  # type: ignore[attr-defined]
    width, height = int(get(cv2.CAP_PROP_FRAME_WIDTH)), int(get(cv2.CAP_PROP_FRAME_HEIGHT))
    ratio = get(cv2.CAP_PROP_SAR_NUM) / (get(cv2.CAP_PROP_SAR_DEN) or 1)
    if ratio == 1 or not 0.1 < ratio < 10:
        return None
    return (round(width * ratio), height) if ratio > 1 else (width, round(height / ratio))
