"""Video files by PyAV (extras `video` and `kiosk`), and how it is told that one was cut short."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import SourceError
from ...words import counted
from ..types import Frame
from .drivers.pyav import Decoder
from .source import shown

ASSUMED_FPS = 25.0
"""For what states no frame rate."""
MISSING, MISSING_S = 0.05, 0.1
"""Share and seconds of the stated length that may be missing at the end: durations are rounded, and sound is longer."""


class VideoSource:
    """A video file, frame by frame, with the time stamps of the file."""

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
            self._decoder = Decoder(self._file, threads)
        except LookupError as error:
            self._file.close()
            raise no_video(path) from error
        self.fps = self._decoder.fps or ASSUMED_FPS
        self.frames: int | None = self._decoder.count
        self.skipped: list[str] = []

    def __iter__(self) -> Iterator[Frame]:
        """Frames with the file's own times, which never run backwards; raises SourceError when the file ends early."""
        decoder, last, index, start_s = self._decoder, -1.0, 0, None
        for stamp_s, image in decoder.pictures():
            if stamp_s is not None:
                start_s = stamp_s if start_s is None else start_s
                stamp_s -= start_s
            last = stamp_s if stamp_s is not None and stamp_s > last else last + 1 / self.fps if index else 0.0
            yield Frame(index, last, image)
            index += 1
        if decoder.damaged:
            self.skipped.append(f"{counted(decoder.damaged, 'damaged picture')} of {self.name}")
        torn = bool(decoder.fault) or is_torn_matroska(self._path)
        check_whole(self.name, index, decoder.reached_s, decoder.duration_s, self.fps, torn)

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


def check_whole(name: str, frames: int, reached_s: float, stated_s: float, fps: float, torn: bool | None) -> None:
    """Raise SourceError when a file ended before it should; judged by times, for a count of frames is often a guess.

    Args:
        reached_s, stated_s: where it ended, and where it says that it ends; 0: it does not say.
        torn: whether the file itself is known to be cut, or not to be; None: nothing is known of that.
    """
    if not frames:
        raise SourceError(
            f"{name} ends before its first picture",
            cause="the file is cut short or its coding is unknown here",
            hint=f"ffprobe {name}",
        )
    all_there = 0 < stated_s <= reached_s + 1 / fps  # only an index at the end may be missing
    short = stated_s > 0 and reached_s < (1 - MISSING) * stated_s - MISSING_S - 1 / fps
    if (torn and not all_there) or (short and torn is None):
        of = f" of {stated_s:.1f}" if stated_s else ""
        raise SourceError(
            f"{name} ends after {reached_s:.1f}{of} s",
            cause="the file is cut short or damaged there; what came before it was analysed",
            hint=f"ffmpeg -v error -i {name} -f null -",
        )


def is_torn_matroska(path: Path) -> bool | None:
    """Whether a Matroska or WebM file has less than its segment should; None when that is not known, or it is neither.

    The last picture may be shown for long, and its length stands nowhere: times alone would call such a file cut short.
    EBML (RFC 8794): a header and a segment, each an identifier, a size of 1 to 8 bytes, and so many bytes.
    """
    with path.open("rb") as file:
        head = file.read(1 << 12)
    if not head.startswith(b"\x1a\x45\xdf\xa3"):
        return None
    size, begin = _ebml_size(head, 4)
    segment = begin + (size or 0)
    if head[segment : segment + 4] != b"\x18\x53\x80\x67":
        return None
    size, begin = _ebml_size(head, segment + 4)
    return None if size is None else path.stat().st_size < begin + size


def _ebml_size(data: bytes, at: int) -> tuple[int | None, int]:
    """A size, None for an unknown one, and where it ends."""
    first = data[at] if at < len(data) else 0
    length = 9 - first.bit_length()
    value = int.from_bytes(data[at : at + length], "big") & ((1 << 7 * length) - 1)
    return (None if length > 8 or value == (1 << 7 * length) - 1 else value), at + length
