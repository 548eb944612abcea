"""An image that is too small: made longer, its root partition and file system with it."""

from __future__ import annotations

import os
import re
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

from ....errors import InputError, OutputError, UsageError
from ..tools import run_tool
from .partition_copy import mend, partition_copy
from .partitions import GPT_HEAD, GPT_ROW, MBR_ROW, PROTECTIVE, SECTOR, mbr_rows, read_gpt
from .probe import Probed

MIB = 1 << 20
UNITS = {"": 1, "M": 10**6, "MB": 10**6, "MIB": MIB, "G": 10**9, "GB": 10**9, "GIB": 1 << 30}
"""As makers of cards count: 8G is eight thousand million bytes, so that the image fits a card sold as 8 GB."""


def read_size(text: str) -> int:
    """Bytes that a text such as 8G, 4GiB or 6000M means, rounded down to whole MiB; raises UsageError for any other."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", text.strip())
    if found is None or found[2].upper() not in UNITS:
        raise UsageError(
            f"{text!r} is no size of an image",
            cause="a size is like 8G, 4GiB or 6000M",
            hint="the same command with --grow 8G",
        )
    return int(float(found[1]) * UNITS[found[2].upper()]) // MIB * MIB


def check_growth(probed: Probed, size: int) -> None:
    """Whether an image can become `size` bytes long; raises UsageError or InputError when not."""
    if size <= probed.size:
        raise UsageError(
            f"the image has {probed.size / 1e9:.2f} GB already, so it cannot grow to {size / 1e9:.2f} GB",
            hint=f"the same command with --grow {-(-probed.size // 10**9) + 1}G",
        )
    behind = [p for p in probed.partitions if p.start > probed.root.start]
    if behind:
        raise InputError(
            f"the root partition cannot grow: partition {behind[0].number} lies behind it",
            cause="this image keeps another partition at its end",
            hint="the same command without --grow",
        )


def grow(image: Path, probed: Probed, size: int) -> None:
    """Make an image `size` bytes long and give what is new to the root file system. Work on a copy, then probe anew.

    Raises:
        UsageError, InputError: as `check_growth`; or the file system is damaged.
        OutputError: the disk of this computer is full; DeviceNotFound: e2fsck or resize2fs is not installed.
    """
    check_growth(probed, size)
    with image.open("r+b") as file:
        file.truncate(size)
        file.seek(0)
        protective = any(row[2] == PROTECTIVE for row in mbr_rows(file.read(SECTOR)))
        end = _gpt(file, probed.root.number, size) if protective else _mbr(file, probed.root.number, size)
        os.fsync(file.fileno())
    _file_system(image, probed, end - probed.root.start)


def _mbr(file: BinaryIO, number: int, size: int) -> int:
    """Change one row of an MBR; where the partition then ends, bytes."""
    file.seek(0)
    sector = bytearray(file.read(SECTOR))
    state, head, kind, tail, first, _ = mbr_rows(sector)[number - 1]
    count = min(size // SECTOR, 0xFFFFFFFF) - first
    MBR_ROW.pack_into(sector, 446 + 16 * (number - 1), state, head, kind, tail, first, count)
    file.seek(0)
    file.write(sector)
    return (first + count) * SECTOR


def _gpt(file: BinaryIO, number: int, size: int) -> int:
    """Change one row of a GPT, and move its copy to the new end; where the partition then ends, bytes."""
    fields, rows = read_gpt(file)
    changed = bytearray(rows)
    width, last = int(fields[12]), size // SECTOR - 1
    usable = last - 1 - -(-len(rows) // SECTOR)
    end = (usable + 1) // (MIB // SECTOR) * (MIB // SECTOR) - 1
    at = width * (number - 1)
    kind, own, first, _, flags, name = GPT_ROW.unpack_from(changed, at)
    GPT_ROW.pack_into(changed, at, kind, own, first, end, flags, name)
    old = int(fields[6])
    file.seek(old * SECTOR)
    file.write(bytes(SECTOR))  # else a tool that looks for the copy may find the old one
    head = [*fields[:5], 1, last, fields[7], usable, fields[9], fields[10], fields[11], width]
    copy = [*fields[:5], last, 1, fields[7], usable, fields[9], usable + 1, fields[11], width]
    for place, values in ((int(fields[10]), head), (usable + 1, copy)):
        file.seek(place * SECTOR)
        file.write(changed)
        file.seek(int(values[5]) * SECTOR)
        file.write(_sealed(values, zlib.crc32(changed)))
    _protect(file, last)
    return (end + 1) * SECTOR


def _sealed(values: list[int | bytes], rows: int) -> bytes:
    """A GPT header with both checksums."""
    values = [*values, rows]
    values[3] = 0
    raw = bytearray(GPT_HEAD.pack(*values))
    struct.pack_into("<I", raw, 16, zlib.crc32(raw))
    return bytes(raw).ljust(SECTOR, b"\0")


def _protect(file: BinaryIO, last: int) -> None:
    """The MBR row that keeps old tools off a GPT covers the whole disk (UEFI specification 2.10, 5.2.3)."""
    file.seek(0)
    sector = bytearray(file.read(SECTOR))
    for i, (state, head, kind, tail, first, _) in enumerate(mbr_rows(sector)):
        if kind == PROTECTIVE:
            MBR_ROW.pack_into(sector, 446 + 16 * i, state, head, kind, tail, first, min(last, 0xFFFFFFFF))
    file.seek(0)
    file.write(sector)


def _file_system(image: Path, probed: Probed, size: int) -> None:
    """resize2fs works on whole files only, so the file system is taken out, made longer and put back."""
    with partition_copy(image, probed.root.start, probed.root.size, back=True) as copy:
        mend(copy)
        os.truncate(copy, size)
        done = run_tool("resize2fs", [copy.name], copy.parent)
        if done.returncode:
            words = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise OutputError(
                f"the root file system could not be made larger: {words[-1] if words else 'resize2fs failed'}",
                cause="the disk of this computer is full, or e2fsprogs is old",
                hint=f"df -h {image.parent}",
            )
