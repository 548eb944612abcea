"""Writes an image to a card so that an interrupted card does not boot, and reads every byte back past the cache."""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ....errors import InputError, OutputError, UsageError

ERASED_EDGE = 1 << 20
"""Bytes at either end that are zeroed first: partition table, boot code, GPT, its second copy."""
BLOCK = 4 << 20
ALIGNED = 4096
"""What O_DIRECT wants of lengths and places; no disk has larger sectors. The first such block is written last."""
SYNC_EVERY = 64 << 20
"""Bytes between two syncs; otherwise progress would count what is only in memory, and the end would take minutes."""

Check = Callable[[int], None]
"""Called with the open disk; raises when it must not be written."""
OnProgress = Callable[[str, int, int], None]
"""Called with `write` or `compare`, bytes done, bytes in all."""


def write_card(
    image: Path,
    target: Path,
    on_progress: OnProgress = lambda step, done, total: None,
    check: Check = lambda opened: None,
) -> None:
    """Write an image to a disk or a file that is there, and compare it with what can be read back.

    Everything but the first block is written and compared before that block is, so a card that boots is one that was
    good: whatever ends it early leaves zeros there. What lay at the card's end, such as an older GPT's second copy, is
    zeroed too.

    Args:
        check: called once nobody else can open the disk and before its first byte is written; what it raises ends this.

    Raises:
        InputError: the image is empty; UsageError: the disk is in use, gone or too small, and nothing was written;
        OutputError: it cannot be written, or reads back other bytes or none, and then the first of them is named.
    """
    total = image.stat().st_size
    if not total:
        raise InputError(f"{image} is empty", cause="it was not made to its end", hint=f"ls -l {image}")
    with image.open("rb") as source, _opened(target) as disk:
        size = os.lseek(disk, 0, os.SEEK_END)
        if size < total and target.is_block_device():
            need = f"the image has {total} bytes, {target} has {size}"
            raise UsageError(f"{target} is too small", cause=need, hint="lsblk, and a larger card")
        check(disk)
        try:
            with _explained(target):
                _write_rest(source.fileno(), disk, total, size, on_progress)
            _compare(source.fileno(), target, ALIGNED, total, on_progress)
            with _explained(target):
                _put(disk, _read(source.fileno(), 0, min(ALIGNED, total)), 0)
                os.fsync(disk)
            _compare(source.fileno(), target, 0, min(ALIGNED, total))
            on_progress("compare", total, total)
        except BaseException:
            with suppress(OSError):
                _blank(disk, 0, min(ERASED_EDGE, total))
            raise


def read_first(target: Path) -> bytes:
    """The first MiB of a disk or file, past the cache; less where it ends or is bad before. Raises OutputError."""
    with _direct(target) as disk, mmap.mmap(-1, BLOCK) as buffer:
        return buffer[: _fill(disk, buffer, 0, ERASED_EDGE)]


def _compare(
    source: int, target: Path, start: int, end: int, on_progress: OnProgress = lambda step, done, total: None
) -> None:
    """Read from the medium, not from memory; raises OutputError with the first offset that differs or cannot be read.

    Args:
        source: descriptor of the image.
        start, end: in bytes; start is a multiple of ALIGNED.
    """
    with _direct(target) as disk, mmap.mmap(-1, BLOCK) as buffer:
        for place in range(start, end, BLOCK):
            wanted = min(BLOCK, end - place)
            got = _fill(disk, buffer, place, wanted)
            expected = _read(source, place, wanted)
            if got < wanted or buffer[:wanted] != expected:
                raise _bad(target, place + _differs(buffer[:got], expected))
            on_progress("compare", place + wanted, end)


def _write_rest(source: int, disk: int, total: int, size: int, on_progress: OnProgress) -> None:
    """Everything but the first block, which is zeroed."""
    _blank(disk, 0, min(ERASED_EDGE, total))
    _blank(disk, max(min(ERASED_EDGE, total), size - ERASED_EDGE), size)
    waiting = 0
    for place in range(ALIGNED, total, BLOCK):
        end = min(place + BLOCK, total)
        _put(disk, _read(source, place, end - place), place)
        waiting += end - place
        if waiting >= SYNC_EVERY:
            os.fsync(disk)
            waiting = 0
        on_progress("write", end, total)
    os.fsync(disk)
    on_progress("write", total, total)


@contextmanager
def _explained(target: Path) -> Iterator[None]:
    """An OSError while writing as an OutputError."""
    try:
        yield
    except OSError as error:
        cause = {errno.ENOSPC: "it is smaller than the image", errno.EIO: "the card or its reader fails"}
        raise OutputError(
            f"{target} cannot be written: {error.strerror}",
            cause=cause.get(error.errno or 0, "it was pulled out, or is locked"),
            hint="dmesg | tail",
        ) from error


def _blank(disk: int, start: int, end: int) -> None:
    if start < end:
        _put(disk, bytes(end - start), start)
        os.fsync(disk)


def _put(disk: int, data: bytes, place: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(disk, view, place)
        view, place = view[written:], place + written


def _read(source: int, place: int, count: int) -> bytes:
    """Exactly so many bytes; raises InputError for an image that got shorter meanwhile."""
    parts = []
    while count:
        part = os.pread(source, count, place)
        if not part:
            raise InputError("the image became shorter while it was read", cause="something else writes it")
        parts.append(part)
        place, count = place + len(part), count - len(part)
    return b"".join(parts)


def _fill(disk: int, buffer: mmap.mmap, place: int, wanted: int) -> int:
    """Read into an aligned buffer; how many bytes could be read, to the block."""
    count = -(-wanted // ALIGNED) * ALIGNED
    got, step = 0, count
    with memoryview(buffer) as view:
        while got < wanted:
            with view[got : min(got + step, count)] as part:
                try:
                    read = os.preadv(disk, [part], place + got)
                except OSError:
                    read = 0
            if read <= 0 and step > ALIGNED:
                step = ALIGNED  # once more in small pieces, to find the first that is bad
            elif read <= 0:
                break
            got += max(read, 0)
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
            cause = "it was pulled out"
            raise OutputError(f"{target} cannot be read: {error.strerror}", cause=cause, hint="lsblk") from error
        disk = os.open(target, os.O_RDONLY)
        os.posix_fadvise(disk, 0, 0, os.POSIX_FADV_DONTNEED)
    try:
        yield disk
    finally:
        os.close(disk)


def _bad(target: Path, offset: int) -> OutputError:
    return OutputError(
        f"{target} does not read back what was written, first at offset {offset} ({offset / 1e6:.1f} MB)",
        cause="the card is bad, smaller than it says, or was pulled out",
        hint="write another card, or try another reader",
    )
