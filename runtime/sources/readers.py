"""What the capture thread reads from: a camera or stream in a process of its own, or a file in the thread itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from time import monotonic
from types import MappingProxyType
from typing import Protocol

from ...errors import SourceError, UsageError
from ..masking import shown_name
from ..types import Frame
from . import STREAMS, Source, open_source
from .camera_process import ReaderProcess
from .picture import Picture, as_bgr, check_shape

SYSTEM_PYTHON = "/usr/bin/python3"
"""Where picamera2 is: the distribution's package belongs to the distribution's Python."""
OPENCV = Path(__file__).with_name("drivers") / "opencv.py"
PICAMERA = Path(__file__).with_name("drivers") / "picamera.py"


class Reader(Protocol):
    """Opened once, read until it ends or breaks, then closed; another attempt takes another reader.

    Attributes:
        name: for people; without password or folder.
        live: pictures come when they come; others are shown at the pace of their time stamps.
    """

    name: str
    live: bool

    def open(self, limit_s: float) -> None:
        """Open it within so many seconds; raises a FerEdgeError."""

    def read(self, limit_s: float) -> Picture | None:
        """The next picture within so many seconds, or None at the end; raises a FerEdgeError."""

    def interrupt(self) -> None:
        """From another thread: what is being opened or read ends at once, with an error."""

    def close(self) -> None:
        """Let go of it within a second; calling it twice, or before opening, is harmless."""


class SourceReader:
    """A source that is read in the thread that asks: cheap, but its deadlines are only as good as the source's own."""

    live = False

    def __init__(self, make: Callable[[], Source], name: str, loop: bool = False) -> None:
        """Prepare.

        Args:
            make: opens the source, again at each round when `loop`.
            loop: begin anew at the end; times go on.
        """
        self.name, self._make, self._loop = name, make, loop
        self._source: Source | None = None
        self._frames: Iterator[Frame] = iter(())
        self._begin_s = self._last_s = self._apart_s = 0.0

    def open(self, limit_s: float) -> None:
        """Open the source."""
        self._source = self._make()
        self.name, self.live = self._source.name, self._source.live
        self._frames = iter(self._source)
        self._apart_s = 1 / self._source.fps if self._source.fps > 0 else 0.0

    def read(self, limit_s: float) -> Picture | None:
        """The next frame of the source, copied to BGR."""
        frame = next(self._frames, None)
        if frame is None and self._loop:
            self.close()
            self._begin_s = self._last_s + self._apart_s
            self.open(limit_s)
            frame = next(self._frames, None)
            if frame is None:
                raise SourceError(f"{self.name} holds no picture")
        if frame is None:
            return None
        check_shape(frame.image.shape, self.name)
        time_s = self._begin_s + frame.time_s
        self._apart_s = time_s - self._last_s if time_s > self._last_s else self._apart_s
        self._last_s = time_s
        good = frame.image.ndim == 3 and frame.image.shape[2] == 3
        return Picture(frame.image if good else as_bgr(frame.image), monotonic(), None if self.live else time_s)

    def interrupt(self) -> None:
        """A read in this process cannot be interrupted; one of a file does not last."""

    def close(self) -> None:
        """Close the source."""
        if self._source is not None:
            self._source.close()
        self._source = None


def reader_for(text: str, *, width: int = 0, height: int = 0, fps: float = 0.0, loop: bool = False) -> Reader:
    """What reads the source of that name; nothing is opened yet.

    Args:
        text: as for `open_source`.
        width, height, fps: asked of a camera, in pixels and frames a second; 0: its own.
        loop: a file begins anew at its end.

    Raises:
        UsageError: the name of a camera without its number.
    """
    options = {"width": width, "height": height, "fps": fps}
    if text.lower().startswith(STREAMS):
        return ReaderProcess(OPENCV, text, {}, name=shown_name(text), secret=text)
    if text.startswith("picamera:"):
        return picamera(text, options)
    if text.isdigit() or text.startswith("camera:"):
        number = camera_number(text, "camera:")
        return ReaderProcess(OPENCV, number, options, name=f"camera:{number}")
    return SourceReader(partial(open_source, text), Path(text).name, loop)


def picamera(text: str, options: Mapping[str, object] = MappingProxyType({})) -> ReaderProcess:
    """What reads `picamera:N` under the interpreter that has picamera2; raises UsageError."""
    return ReaderProcess(PICAMERA, camera_number(text, "picamera:"), options, name=text, python=SYSTEM_PYTHON)


def camera_number(text: str, prefix: str) -> str:
    """N of `camera:N` or `N`; raises UsageError for anything else."""
    number = text.removeprefix(prefix)
    if not number.isdigit():
        raise UsageError(f"{text!r} is not a camera", cause="a camera is named by its number", hint=f"{prefix}0")
    return number
