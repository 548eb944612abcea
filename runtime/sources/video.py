"""Video files by PyAV (extras `video` and `kiosk`)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from ...errors import SourceError
from ...words import counted
from ..types import Frame
from .drivers.pyav import Decoder
from .source import shown
from .torn import check_whole, is_torn

ASSUMED_FPS = 25.0
"""For what states no frame rate."""
LONG, SAID_S = 2.0, 0.1
"""Frames between two pictures that make a gap of a damaged file, and how long gaps are that are worth a word."""


class VideoSource:
    """A video file, frame by frame, with the time stamps of the file; `decoder` gives its pictures."""

    live = False
    still = False

    def __init__(self, path: Path, threads: int = 0) -> None:
        """Open a file; raises SourceError when it holds no video.

        Args:
            threads: of the decoder; 0: one a processor.
        """
        import av

        self.name, self._path = shown(path.name), path
        try:
            # "file:", so that no name is taken for another protocol: 12:30:05.mp4, data:x.mp4
            self._file: Any = av.open(f"file:{path}", metadata_errors="replace")
        except (av.FFmpegError, OSError, ValueError) as error:
            raise no_video(path) from error
        try:
            self.decoder = Decoder(self._file, threads)
        except LookupError as error:
            self._file.close()
            raise no_video(path) from error
        self.fps = self.decoder.fps or ASSUMED_FPS
        self.frames: int | None = self.decoder.count
        self.skipped: list[str] = []

    def __iter__(self) -> Iterator[Frame]:
        """Frames with the file's own times, which never run backwards; raises SourceError when the file ends early."""
        decoder, torn, step_s = self.decoder, is_torn(self._path), 1 / self.fps
        pictures = self.pictures()
        if torn:  # the last one may be the half of a picture, which not every decoder says
            pictures = (picture for picture, _ in pairwise(pictures))
        index, last, start_s, gap_s = 0, -step_s, None, 0.0
        for stamp_s, image in pictures:
            start_s = stamp_s if start_s is None else start_s
            since_s = last + step_s if stamp_s is None or start_s is None else stamp_s - start_s
            before, last = last, since_s if since_s > last else last + step_s
            gap_s += last - before - step_s if last - before > LONG * step_s else 0.0
            yield Frame(index, last, image)
            index += 1
        if damaged := decoder.damaged + bool(torn):
            lost_s = gap_s + max(0.0, decoder.reached_s - last - step_s) - damaged * step_s
            more = f", and {lost_s:.1f} s more" if lost_s >= SAID_S else ""  # what was not even found is not counted
            self.skipped.append(f"{counted(damaged, 'damaged picture')} of {self.name}{more}")
        check_whole(self.name, index, decoder.reached_s, decoder.duration_s, self.fps, bool(decoder.fault) or torn)

    def pictures(self) -> Iterator[tuple[float | None, Any]]:
        """As the decoder's."""
        return self.decoder.pictures()

    def close(self) -> None:
        """See Source."""
        self._file.close()


def no_video(path: Path) -> SourceError:
    """The error for a file that is no video."""
    return SourceError(
        f"{path} holds no video that can be read",
        cause="it is cut short, holds only sound, or is no video at all",
        hint=f"ffprobe {path}",
    )
