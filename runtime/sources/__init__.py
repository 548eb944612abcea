"""Where pictures come from: a video, pictures, a camera, a stream, or the demo that needs none of these."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from ...errors import SourceError
from ..types import Frame

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
"""Suffixes taken as still pictures. A .gif is a video."""
STREAMS = ("rtsp://", "rtsps://", "http://", "https://", "udp://", "tcp://")


class Source(Protocol):
    """A sequence of frames that is read once.

    Attributes:
        name: for people; no folder names in it.
        fps: frames per second of the source, or 0 when it has none.
        frames: how many there should be, or None.
        live: frames come when they come and cannot be asked for again.
        still: pictures that do not belong together in time.
    """

    name: str
    fps: float
    frames: int | None
    live: bool
    still: bool

    def __iter__(self) -> Iterator[Frame]:
        """Frames in order; raises SourceError when the source breaks."""

    def close(self) -> None:
        """Let go of files and devices."""


def open_source(text: str) -> Source:
    """Open what `--source` names: a file, a folder, `camera:0` or `0`, `picamera:0`, a stream's URL, or `demo`.

    Raises:
        SourceError: it is not there or holds no picture; DeviceNotFound: there is no such camera;
        MissingExtra: the demo's portrait is not installed.
    """
    if text == "demo" or text.startswith("demo:"):
        from .demo import DemoSource

        return DemoSource.parse(text)
    if text.isdigit() or text.startswith("camera:"):
        from .camera import CameraSource

        return CameraSource.parse(text)
    if text.startswith("picamera:"):
        from .reader_source import ReaderSource
        from .readers import picamera

        return ReaderSource(picamera(text))
    if text.lower().startswith(STREAMS):
        from .video import StreamSource

        return StreamSource(text)
    path = Path(text)
    if not path.exists():
        raise SourceError(
            f"there is no file or folder {text}",
            cause="the path is wrong, or the file was moved",
            hint=f"ls -l {path.parent}",
        )
    if path.is_dir() or path.suffix.lower() in PICTURES:
        from .images import StillSource

        return StillSource(path)
    from .video import VideoSource

    return VideoSource(path)
