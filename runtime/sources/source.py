"""The two ways to read: a source gives frame after frame, a reader gives the next picture within a deadline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from ..types import Frame
from .picture import Picture


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
