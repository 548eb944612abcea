"""A camera or stream through OpenCV, as camera_child.py reads it. Self-contained: Python 3.9, OpenCV.

When a stream changes its resolution on the way, OpenCV (4.14 was tried) scales what follows to the first size, its
sides stretched if need be, and shows nothing of it in any property; the new size is seen when it is opened again.
"""

from __future__ import annotations

import sys
from typing import Any

OPEN_MS = READ_MS = 10_000
"""FFmpeg's own patience with a stream; the parent's deadline may come first."""


class Camera:
    """An open cv2.VideoCapture."""

    def __init__(self, what: str, options: dict[str, Any]) -> None:
        """Open a camera by its number, or a stream by its URL.

        Args:
            options: `width`, `height`, `fps` asked of a camera; 0 or absent: its own.

        Raises:
            LookupError: there is no such camera; OSError: nobody answers at the URL.
        """
        import cv2

        cv2.setNumThreads(1)  # one picture at a time is little work, and the processor is shared
        self._capture = _camera(cv2, int(what), options) if what.isdigit() else _stream(cv2, what)
        if not self._capture.isOpened():
            if what.isdigit():
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
        good, image = self._capture.read()
        return image if good else None

    def describe(self) -> dict[str, Any]:
        """What the camera or stream states of itself."""
        return self._about

    def close(self) -> None:
        """Let go of it."""
        self._capture.release()


def _camera(cv2: Any, number: int, options: dict[str, Any]) -> Any:
    capture = cv2.VideoCapture(number, cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY)
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
    """Open `0` or a URL; see Camera."""
    return Camera(what, options)
