"""Two ways to encode a video that browsers play: PyAV when it is installed, else what OpenCV brings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from ...bundle import Image
from ...errors import OutputError
from ...installation import pip_install

CLOCK = 90_000
"""Ticks per second in the file, MPEG's own clock."""

LARGE = 2560 * 1440
"""Pixels beyond which the encoder is to save memory."""


class Encoder(Protocol):
    """Appends pictures to a video file."""

    suffix: str
    notice: str

    def __init__(self, path: Path, width: int, height: int, fps: float) -> None:
        """Begin a file of this size; raises OSError."""

    def write(self, image: Image, time_s: float) -> None:
        """Append a BGR picture, scaled to the file's size; raises OSError."""

    def close(self) -> None:
        """Finish the file; raises OSError."""


def choose_encoder() -> type[Encoder]:
    """H.264 through PyAV when it is installed (extra `video`), else VP8 through OpenCV."""
    try:
        import av  # noqa: F401
    except ImportError:
        return OpenCvEncoder
    return PyAvEncoder


class PyAvEncoder:
    """H.264 in MP4 with every frame at its own time: about 3 ms a frame at 640 x 480, 1 MB for 10 s."""

    suffix = ".mp4"
    notice = ""

    def __init__(self, path: Path, width: int, height: int, fps: float) -> None:
        """See Encoder."""
        import av

        self._frame = av.VideoFrame
        self._file = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        self._stream = self._file.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        self._stream.width, self._stream.height = width // 2 * 2, height // 2 * 2
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = {"preset": "veryfast", "crf": "27"}
        if width * height > LARGE:
            # Each frame that waits to be looked at, by x264 or one of its threads, takes 12 MB at 3840 x 2160.
            self._stream.options |= {
                "x264-params": "rc-lookahead=0:sync-lookahead=0:bframes=0:ref=1:mbtree=0:threads=1:weightp=0:subme=0"
            }
        self._stream.codec_context.time_base = Fraction(1, CLOCK)
        self._last = -1

    def write(self, image: Image, time_s: float) -> None:
        """See Encoder."""
        from ...opencv import cv2

        kind = "bgr24"
        if image.shape[0] * image.shape[1] > LARGE and not (image.shape[0] | image.shape[1]) & 1:
            image, kind = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420), "yuv420p"  # half the bytes, and one copy fewer
        frame = self._frame.from_ndarray(image, format=kind)
        if (frame.width, frame.height) != (self._stream.width, self._stream.height):
            frame = frame.reformat(self._stream.width, self._stream.height, "yuv420p")
        self._last = max(self._last + 1, round(time_s * CLOCK))
        frame.pts, frame.time_base = self._last, Fraction(1, CLOCK)
        self._file.mux(self._stream.encode(frame))

    def close(self) -> None:
        """See Encoder."""
        try:
            self._file.mux(self._stream.encode(None))
        finally:
            self._file.close()


class OpenCvEncoder:
    """VP8 in WebM at a constant rate, at which a frame is repeated while it lasts; at OpenCV's own, high bit rate."""

    suffix = ".webm"
    notice = "the video is written by OpenCV, slower and larger than with PyAV"

    def __init__(self, path: Path, width: int, height: int, fps: float) -> None:
        """See Encoder."""
        from ...opencv import cv2

        self._size, self._fps, self._written = (width // 2 * 2, height // 2 * 2), fps, 0
        self._last: Image | None = None
        with _quiet_stderr():  # FFmpeg remarks that WebM has no such tag, and then writes the right one
            self._writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"VP80"), fps, self._size)
        if not self._writer.isOpened():
            raise OutputError(
                f"cannot write the video {path.parent}",
                cause="the folder cannot be written, or this OpenCV has no VP8 encoder",
                hint=pip_install("video") + "  # or leave --video out",
            )

    def write(self, image: Image, time_s: float) -> None:
        """See Encoder."""
        from ...opencv import cv2

        if (image.shape[1], image.shape[0]) != self._size:
            image = cv2.resize(image, self._size)
        while self._last is not None and self._written < round(time_s * self._fps):
            self._writer.write(self._last)
            self._written += 1
        self._last = image

    def close(self) -> None:
        """See Encoder."""
        if self._last is not None:
            self._writer.write(self._last)
        self._writer.release()


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Send what C libraries print on standard error to nowhere, for one call."""
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)
