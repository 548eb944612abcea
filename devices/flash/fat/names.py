"""Names on FAT: the short ones of 8.3 letters, and the long ones spread over several rows of a folder."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from ....errors import UsageError

ROW = struct.Struct("<11sBBBHHHHHHHI")
"""Name, attributes, case, tenths of the second made, time and date made, date read, upper half of the first cluster,
time and date written, lower half, size."""
LONG = struct.Struct("<B10sBBB12sH4s")
LONG_MARK = 0x0F
"""Attributes of a row that carries a part of a long name."""
PER_ROW = 13
SHORT_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'()-@^_`{}~")
FORBIDDEN = frozenset('"*/:<>?\\|') | {chr(i) for i in range(32)} | {"\x7f"}
LOWER_STEM, LOWER_END = 0x08, 0x10
"""Bits of `case` (Windows NT): the short name's halves are meant in small letters."""


def check_name(name: str) -> None:
    """Raises UsageError for a name that FAT does not take."""
    wrong = FORBIDDEN & set(name)
    if not name or wrong or name != name.rstrip(" .") or len(name.encode("utf-16-le")) > 510:
        raise UsageError(
            f"{name!r} is no name for a file on FAT",
            cause=f"it holds {' '.join(sorted(wrong))}"
            if wrong
            else "it is empty, too long, or ends in a dot or space",
            hint="rename the file",
        )


def is_short(name: str) -> bool:
    """Whether a name fits the 8.3 letters as it is, so that it needs no long one."""
    stem, dot, end = name.partition(".")
    fits = 1 <= len(stem) <= 8 and len(end) <= 3 and (bool(end) or not dot)
    return fits and set(stem + end) <= SHORT_LETTERS


def short_name(name: str, taken: Iterable[bytes]) -> bytes:
    """The 11 letters of a name, with `~1` and so on where it does not fit or is taken."""
    stem, _, end = name.upper().rpartition(".") if "." in name.lstrip(".") else (name.upper(), "", "")
    plain = "".join(c if c in SHORT_LETTERS else "_" for c in stem if c not in " .") or "_"
    tail = "".join(c if c in SHORT_LETTERS else "_" for c in end if c not in " .")[:3].ljust(3)
    known = set(taken)
    whole = (plain[:8].ljust(8) + tail).encode("ascii")
    if is_short(name.upper()) and whole not in known:
        return whole
    for number in range(1, 1_000_000):
        mark = f"~{number}"
        short = ((plain[: 8 - len(mark)] + mark).ljust(8) + tail).encode("ascii")
        if short not in known:
            return short
    raise UsageError(f"no short name is left for {name!r}", hint="use another folder")


def long_rows(name: str, short: bytes) -> bytes:
    """The rows that stand before a short one and carry its long name."""
    units = name.encode("utf-16-le")
    pieces = -(-len(units) // (2 * PER_ROW))
    if len(units) < 2 * PER_ROW * pieces:
        units = (units + b"\0\0").ljust(2 * PER_ROW * pieces, b"\xff")
    rows = []
    for i in range(pieces):
        part = units[2 * PER_ROW * i : 2 * PER_ROW * (i + 1)]
        order = i + 1 | (0x40 if i == pieces - 1 else 0)
        rows.append(LONG.pack(order, part[:10], LONG_MARK, 0, checksum(short), part[10:22], 0, part[22:26]))
    return b"".join(reversed(rows))


def long_name(rows: list[bytes], short: bytes) -> str:
    """The long name that rows carry, in the order they lie; empty when they do not belong to this short name."""
    units = b""
    for place, raw in enumerate(reversed(rows), 1):
        order, first, _, _, found, second, _, third = LONG.unpack(raw)
        if order & 0x3F != place or bool(order & 0x40) != (place == len(rows)) or found != checksum(short):
            return ""
        units += first + second + third
    codes = struct.unpack(f"<{len(units) // 2}H", units)
    length = codes.index(0) if 0 in codes else len(codes)
    return units[: 2 * length].decode("utf-16-le", "replace")


def shown(short: bytes, case: int) -> str:
    """A short name as people read it."""
    raw = b"\xe5" + short[1:] if short[0] == 0x05 else short
    stem, end = raw[:8].decode("cp437").rstrip(), raw[8:].decode("cp437").rstrip()
    stem = stem.lower() if case & LOWER_STEM else stem
    end = end.lower() if case & LOWER_END else end
    return f"{stem}.{end}" if end else stem


def checksum(short: bytes) -> int:
    """What binds long rows to their short one."""
    total = 0
    for byte in short:
        total = ((total & 1) << 7) + (total >> 1) + byte & 0xFF
    return total
