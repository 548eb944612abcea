"""A camera by its number, through OpenCV."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import DeviceNotFound, UsageError
from ..types import Frame
from .video import ASSUMED_FPS, live_frames


class CameraSource:
    """`camera:0`: the first camera the system knows."""

    live = True
    still = False
    frames: int | None = None

    def __init__(self, number: int) -> None:
        """Open a camera; raises DeviceNotFound."""
        import cv2

        self.name = f"camera:{number}"
        self._capture = cv2.VideoCapture(number)
        if not self._capture.isOpened():
            raise DeviceNotFound(
                f"there is no camera {number}",
                cause="none is plugged in, another program uses it, or this user may not open it",
                hint="ls -l /dev/video*",
            )
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # the newest picture, not the oldest waiting one
        stated = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.fps = stated if 0 < stated < 1000 else ASSUMED_FPS

    @classmethod
    def parse(cls, text: str) -> CameraSource:
        """Open `N` or `camera:N`; raises UsageError for anything else."""
        number = text.removeprefix("camera:")
        if not number.isdigit():
            raise UsageError(f"{text!r} is not a camera", cause="a camera is named by its number", hint="--source 0")
        return cls(int(number))

    def __iter__(self) -> Iterator[Frame]:
        """Frames until the camera goes away; raises SourceError when it gives none."""
        yield from live_frames(self._capture, self.name)

    def close(self) -> None:
        """See Source."""
        self._capture.release()
