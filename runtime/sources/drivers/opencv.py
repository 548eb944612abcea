"""A camera, or a stream without PyAV, through OpenCV, as camera_child.py reads it. Self-contained: Python 3.9, OpenCV.

When a stream changes its resolution on the way, OpenCV (4.14 was tried) scales what follows to the first size, its
sides stretched if need be, and shows nothing of it in any property; the new size is seen when it is opened again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

QUIET = "OPENCV_FFMPEG_LOGLEVEL"
"""Where this variable is set, at any level, FFmpeg's errors go to a buffered stdout and are never seen."""
OPEN_MS = READ_MS = 10_000
"""FFmpeg's own patience with a stream; the parent's deadline may come first."""


class Interlaced(Exception):
    """The picture was not decoded: OpenCV 4.13 and 4.14 give whatever was in memory, and say that all is well."""


def decoded(call: Callable[[], Any]) -> tuple[Any, str]:
    """What a call gives, and what FFmpeg said on standard error meanwhile; raises Interlaced."""
    import tempfile

    saved = os.dup(2)
    try:
        with tempfile.TemporaryFile() as ear:
            os.dup2(ear.fileno(), 2)
            try:
                given = call()
            finally:
                os.dup2(saved, 2)
            ear.seek(0)
            said = ear.read().decode(errors="replace")
    finally:
        os.close(saved)
    if "interlaced" in said:
        raise Interlaced
    return given, said


class Camera:
    """An open cv2.VideoCapture."""

    def __init__(self, what: str, options: dict[str, Any]) -> None:
        """Open a camera by its number or path, or a stream by its URL.

        Args:
            options: `width`, `height`, `fps` asked of a camera; 0 or absent: its own.

        Raises:
            LookupError: there is no such camera; OSError: nobody answers at the URL.
        """
        import cv2

        cv2.setNumThreads(1)  # one picture at a time is little work, and the processor is shared
        self._stream = "://" in what
        self._capture = _stream(cv2, what) if self._stream else _camera(cv2, what, options)
        if not self._capture.isOpened():
            if not self._stream:
                raise LookupError(f"there is no camera {what}")
            raise OSError("no video came; the address or password is wrong, or the camera is off")
        self._about = {
            "backend": self._capture.getBackendName(),
            "width": int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
            "height": int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
            "fps": float(self._capture.get(cv2.CAP_PROP_FPS)),
        }

    def read(self) -> Any:
        """The next picture, BGR; None when there is none any more."""
        if not self._stream:
            good, image = self._capture.read()
            return image if good else None
        try:
            (good, image), said = decoded(self._capture.read)
        except Interlaced:
            raise OSError("it is interlaced, which OpenCV cannot decode; PyAV can: pip install 'av>=16.1'") from None
        sys.stderr.write(said)  # for the parent, who asks for the reason
        sys.stderr.flush()
        return image if good else None

    def describe(self) -> dict[str, Any]:
        """What the camera or stream states of itself."""
        return self._about

    def close(self) -> None:
        """Let go of it."""
        self._capture.release()


def _camera(cv2: Any, what: str, options: dict[str, Any]) -> Any:
    capture = cv2.VideoCapture(
        int(what) if what.isdigit() else what, cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY
    )
    wanted = ((cv2.CAP_PROP_FRAME_WIDTH, "width"), (cv2.CAP_PROP_FRAME_HEIGHT, "height"), (cv2.CAP_PROP_FPS, "fps"))
    for key, name in wanted:
        if options.get(name):
            capture.set(key, float(options[name]))
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # the newest picture, not the oldest waiting one
    return capture


def _stream(cv2: Any, url: str) -> Any:
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_MS]
    return cv2.VideoCapture(url, cv2.CAP_FFMPEG, limits)


def open(what: str, options: dict[str, Any]) -> Camera:
    """Open `0`, `/dev/video0` or a URL; see Camera."""
    return Camera(what, options)
