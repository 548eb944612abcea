"""Whether a disk is still the card that somebody confirmed: making an image takes minutes, and a reader stays."""

from __future__ import annotations

import hashlib
import os
import struct
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ....errors import OutputError, UsageError
from .disks import NO_SERIAL, Disk, check_size, find_disk
from .write import read_first

DISK_SEQUENCE = 0x80081280
"""BLKGETDISKSEQ of linux/fs.h, from Linux 5.15 on: each disk, and each card put into a reader, gets another number."""


def find_writable(text: str) -> Disk:
    """The disk that a path names, if it may be written, with what its card begins with.

    Raises UsageError: it is in use, not removable, read-only or not this user's; DeviceNotFound: there is none.
    """
    if not sys.platform.startswith("linux"):
        raise UsageError(
            "--to writes disks on Linux alone",
            hint="the same command with --out card.img, and any program that writes cards",
        )
    loops = Path(text).name.startswith("loop")
    disk = find_disk(text, loops=loops)
    check_size(disk, 0)
    if not os.access(disk.path, os.W_OK):
        raise UsageError(
            f"{disk.path} may not be written by you",
            cause="writing a disk needs root",
            hint="the same command with sudo",
        )
    first = first_digest(disk.path)  # before the rest: opening a reader is what lets the kernel see its card
    return replace(find_disk(text, loops=loops), first=first)


def first_digest(path: Path) -> str:
    """SHA-256 of what a disk begins with, read past the cache; empty when it cannot be read."""
    with suppress(OutputError):  # a card that is bad there may be good enough to be overwritten
        return hashlib.sha256(read_first(path)).hexdigest()
    return ""


def check_serial(disk: Disk, serial: str) -> None:
    """Raises UsageError unless a serial number is this disk's: what confirms it where no person does."""
    if serial != (disk.serial or NO_SERIAL):
        raise UsageError(
            f"--yes needs the serial number of {disk.path} in --serial" + (f", not {serial!r}" if serial else ""),
            cause=disk.words(),
            hint=f"--serial {disk.serial or NO_SERIAL}, if that is the card",
        )


def look_again(disk: Disk, root: Path = Path("/"), loops: bool = False) -> Disk:
    """The same disk as it is now, for the moment before it is opened for writing.

    Raises UsageError: another disk or card has its name now; DeviceNotFound: it is gone.
    """
    now = find_disk(str(disk.path), root, loops)
    was = (disk.size, disk.model, disk.serial, disk.bus, disk.sequence)
    if (now.size, now.model, now.serial, now.bus, now.sequence) != was:
        raise _another(disk, f"it was {disk.words()}; it is {now.words()}")
    return now


def check_opened(disk: Disk, opened: int) -> None:
    """Raises UsageError when an open disk is not the one that was confirmed; from here on nobody can change it.

    Args:
        disk: as `find_writable` gave it.
        opened: its descriptor: opening it is what lets the kernel see that a reader has another card.
    """
    if disk.sequence and _sequence(opened) not in (0, disk.sequence):
        raise _another(disk, "the card was changed, or the disk was pulled out and put in again")
    if disk.first and first_digest(disk.path) != disk.first:
        raise _another(disk, "it begins with other bytes: another card is in the reader, or something else wrote it")


def _sequence(opened: int) -> int:
    """Of an open disk; 0 where the kernel tells none."""
    import fcntl  # not on Windows, where disks are not written

    with suppress(OSError):
        return int(struct.unpack("=Q", fcntl.ioctl(opened, DISK_SEQUENCE, bytes(8)))[0])
    return 0


def _another(disk: Disk, cause: str) -> UsageError:
    return UsageError(
        f"{disk.path} is another disk than the one that was confirmed; nothing was written",
        cause=cause,
        hint="lsblk -o +MODEL,SERIAL",
    )
