"""Writes an image to a card so that an interrupted card does not boot, and reads every byte back past the cache."""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...errors import InputError, OutputError, UsageError

FIRST = 1 << 20
"""Bytes at the start that are zeroed first and written last: partition table, boot code, the tables of GPT."""
BLOCK = 4 << 20
ALIGNED = 4096
"""What O_DIRECT wants of lengths and places; no disk has larger sectors."""

Told = Callable[[str, int, int], None]
"""Called with `write` or `compare`, bytes done, bytes in all."""


def write_card(image: Path, target: Path, told: Told = lambda step, done, total: None) -> None:
    """Write an image to a disk or a file that is there, and compare it with what can be read back.

    Whatever ends it early leaves zeros in the first MiB, so that the card does not boot half-written.

    Raises:
        InputError: the image is empty; UsageError: the disk is in use or gone; OutputError: it cannot be written, or
        reads back other bytes, and then the first of them is named.
    """
    total = image.stat().st_size
    if not total:
        raise InputError(f"{image} is empty", cause="it was not made to its end", hint=f"ls -l {image}")
    with image.open("rb") as source, _opened(target) as disk:
        try:
            _write(source.fileno(), disk, total, target, told)
            bad = first_difference(source.fileno(), target, total, told)
            if bad is not None:
                raise _bad(target, bad)
        except BaseException:
            with suppress(OSError):
                _blank(disk, total)
            raise


def first_difference(source: int, target: Path, total: int, told: Told = lambda step, done, total: None) -> int | None:
    """Offset of the first byte that differs, or None; the target is read from the medium and not from memory.

    Args:
        source: descriptor of the image.
        total: bytes that are compared, from the start.
    """
    with _direct(target) as disk, mmap.mmap(-1, BLOCK) as buffer:
        place = 0
        while place < total:
            wanted = min(BLOCK, total - place)
            got = _fill(disk, buffer, place, wanted)
            expected = _read(source, place, wanted)
            if got < wanted or buffer[:wanted] != expected:
                return place + _differs(buffer[:got], expected)
            place += wanted
            told("compare", place, total)
    return None


def _write(source: int, disk: int, total: int, target: Path, told: Told) -> None:
    try:
        _blank(disk, total)
        for place in [*range(min(FIRST, total), total, BLOCK), 0]:
            if place == 0:
                os.fsync(disk)  # everything else is there before the card may boot
            end = min(FIRST, total) if place == 0 else min(place + BLOCK, total)
            _put(disk, _read(source, place, end - place), place)
            told("write", total if place == 0 else end - min(FIRST, total), total)
        os.fsync(disk)
    except OSError as error:
        cause = {errno.ENOSPC: "it is smaller than the image", errno.EIO: "the card or its reader fails"}
        raise OutputError(
            f"{target} cannot be written: {error.strerror}",
            cause=cause.get(error.errno or 0, "it was pulled out, or is locked"),
            hint="dmesg | tail",
        ) from error


def _blank(disk: int, total: int) -> None:
    _put(disk, bytes(min(FIRST, total)), 0)
    os.fsync(disk)


def _put(disk: int, data: bytes, place: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(disk, view, place)
        view, place = view[written:], place + written


def _read(source: int, place: int, count: int) -> bytes:
    """Exactly so many bytes; an image that got shorter meanwhile is an OSError."""
    parts = []
    while count:
        part = os.pread(source, count, place)
        if not part:
            raise OSError(errno.EIO, "the image became shorter while it was read")
        parts.append(part)
        place, count = place + len(part), count - len(part)
    return b"".join(parts)


def _fill(disk: int, buffer: mmap.mmap, place: int, wanted: int) -> int:
    """Read into an aligned buffer; how many bytes were there."""
    count = -(-wanted // ALIGNED) * ALIGNED
    got = 0
    while got < wanted:
        part = os.preadv(disk, [memoryview(buffer)[got:count]], place + got)
        if part <= 0:
            break
        got += part
    return min(got, wanted)


def _differs(got: bytes, expected: bytes) -> int:
    return next((i for i, (a, b) in enumerate(zip(got, expected, strict=False)) if a != b), len(got))


@contextmanager
def _opened(target: Path) -> Iterator[int]:
    """For writing; O_EXCL on a disk fails while anything of it is mounted."""
    exclusive = os.O_EXCL if target.is_block_device() else 0
    try:
        disk = os.open(target, os.O_RDWR | exclusive | getattr(os, "O_CLOEXEC", 0))
    except OSError as error:
        why = {
            errno.EBUSY: ("something of it is mounted or open", f"umount {target}*"),
            errno.EACCES: ("writing a disk needs root", "the same command with sudo"),
            errno.EROFS: ("the card's lock is on", f"blockdev --getro {target}"),
        }
        cause, hint = why.get(error.errno or 0, ("it was pulled out", "lsblk"))
        raise UsageError(f"{target} cannot be opened: {error.strerror}", cause=cause, hint=hint) from error
    try:
        yield disk
    finally:
        os.close(disk)


@contextmanager
def _direct(target: Path) -> Iterator[int]:
    """For reading past the page cache; where a file system knows no O_DIRECT, the cache is emptied first."""
    try:
        disk = os.open(target, os.O_RDONLY | os.O_DIRECT)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        disk = os.open(target, os.O_RDONLY)
        os.posix_fadvise(disk, 0, 0, os.POSIX_FADV_DONTNEED)
    try:
        yield disk
    finally:
        os.close(disk)


def _bad(target: Path, offset: int) -> OutputError:
    return OutputError(
        f"{target} reads back other bytes than were written, the first at offset {offset} ({offset / 1e6:.1f} MB)",
        cause="the card is bad, or smaller than it says",
        hint="write another card, or try another reader",
    )
