"""`fer-edge flash --to DISK`: looked at, confirmed by a person or a serial number, written and read back."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    from ..devices.flash.disk.disks import Disk
    from .flash_card import Steps

NO_SERIAL = "none"
"""What stands for the serial number of a disk that tells none."""


def confirmed(args: argparse.Namespace) -> Disk:
    """The disk that --to names, if it may be written and somebody said so.

    Raises:
        UsageError: it is in use, not removable or read-only, or nobody confirmed it; DeviceNotFound: there is none.
    """
    from ..devices.flash.disk.disks import find_disk, refusal

    if not sys.platform.startswith("linux"):
        raise UsageError("--to writes disks on Linux alone", hint="--out card.img, and any program that writes cards")
    disk = find_disk(args.to, loops=Path(args.to).name.startswith("loop"))
    if (wrong := refusal(disk)) is not None:
        raise wrong
    if not os.access(disk.path, os.W_OK):
        raise UsageError(
            f"{disk.path} may not be written by you",
            cause="writing a disk needs root",
            hint="the same command with sudo",
        )
    if args.yes:
        _by_serial(disk, args.serial)
    else:
        _by_person(disk)
    return disk


def check_size(disk: Disk, size: int) -> None:
    """Raises UsageError when an image of `size` bytes is larger than the disk."""
    from ..devices.flash.disk.disks import refusal

    if (wrong := refusal(disk, size)) is not None:
        raise wrong


def write_disk(image: Path, disk: Disk, steps: Steps) -> None:
    """Write an image, and read every byte back; raises as `write_card` does."""
    from ..devices.flash.disk.disks import look_again
    from ..devices.flash.disk.write import write_card

    disk = look_again(disk, loops=disk.bus == "loop")  # another card may be there now, or it may be mounted
    check_size(disk, image.stat().st_size)
    write_card(image, disk.path, lambda step, done, total: steps.progress(step)(done, total))
    steps.done("write", f"{disk.words()}: written, and every byte read back")


def _by_serial(disk: Disk, serial: str) -> None:
    if serial != (disk.serial or NO_SERIAL):
        raise UsageError(
            f"--yes needs the serial number of {disk.path} in --serial" + (f", not {serial!r}" if serial else ""),
            cause=disk.words(),
            hint=f"--serial {disk.serial or NO_SERIAL}, if that is the card",
        )


def _by_person(disk: Disk) -> None:
    if not sys.stdin.isatty():
        raise UsageError(
            f"nobody is there to confirm that {disk.path} is to be overwritten",
            cause=disk.words(),
            hint=f"--yes --serial {disk.serial or NO_SERIAL}, if that is the card",
        )
    print(
        f"Everything on {disk.words()} will be lost.\nType {disk.name} to go on: ", end="", file=sys.stderr, flush=True
    )
    if sys.stdin.readline().strip() != disk.name:
        raise UsageError(f"{disk.path} was not confirmed; nothing was written", hint="lsblk")
