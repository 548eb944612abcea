"""How it is told that a video file was cut short: by its own sizes, and by where it ends."""

from __future__ import annotations

from pathlib import Path

from ...errors import SourceError

MISSING, MISSING_S = 0.05, 0.1
"""Share and seconds of the stated length that may be missing at the end: durations are rounded, and sound is longer."""
TAIL = 1 << 12
UNKNOWN = (1 << 32) - 1
"""The size of what was written as a stream."""
DV, DV_NTSC, DV_PAL = b"\x1f\x07\x00", 120_000, 144_000
"""IEC 61834: how a file of nothing but DV pictures begins, and the bytes of a picture."""
TS_PACKET, TS_SYNC = 188, 0x47
"""ISO/IEC 13818-1: packets of so many bytes, each of which begins with this one."""


def check_whole(name: str, frames: int, reached_s: float, stated_s: float, fps: float, torn: bool | None) -> None:
    """Raise SourceError when a file ended before it should; judged by times, for a count of frames is often a guess.

    Args:
        reached_s, stated_s: where it ended, and where it says that it ends; 0: it does not say.
        torn: see is_torn; None: nothing is known of that.
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


def is_torn(path: Path) -> bool | None:
    """Whether a file has less bytes than it says, or lacks the mark at its end; None when that is not known.

    Times alone do not tell: the last picture may be shown for long, and a GIF states no length.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(TAIL)
        file.seek(max(0, size - TAIL))
        tail = file.read().rstrip(b"\0")
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return _is_torn_matroska(head, size)
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        stated = int.from_bytes(head[4:8], "little")
        return size < 8 + stated if 0 < stated < UNKNOWN else None
    if head.startswith(b"GIF8"):
        return not tail.endswith(b";")
    if head.startswith(b"\x89PNG"):
        return b"IEND" not in tail
    if head[:1] == head[TS_PACKET : TS_PACKET + 1] == bytes([TS_SYNC]):
        return size % TS_PACKET > 0
    if head.startswith(DV):
        return size % (DV_PAL if head[3] & 0x80 else DV_NTSC) > 0
    return None


def _is_torn_matroska(head: bytes, stored: int) -> bool | None:
    """Of Matroska and WebM, whose segment may be of unknown size.

    EBML (RFC 8794): a header and a segment, each an identifier, a size of 1 to 8 bytes, and so many bytes.
    """
    size, begin = _ebml_size(head, 4)
    segment = begin + (size or 0)
    if head[segment : segment + 4] != b"\x18\x53\x80\x67":
        return None
    size, begin = _ebml_size(head, segment + 4)
    return None if size is None else stored < begin + size


def _ebml_size(data: bytes, at: int) -> tuple[int | None, int]:
    """A size, None for an unknown one, and where it ends."""
    first = data[at] if at < len(data) else 0
    length = 9 - first.bit_length()
    value = int.from_bytes(data[at : at + length], "big") & ((1 << 7 * length) - 1)
    return (None if length > 8 or value == (1 << 7 * length) - 1 else value), at + length
