"""Changes, carried out in an image."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from ...errors import UsageError
from .changes import Change, Place, WriteFile
from .expand import Single, expand
from .ext4.filesystem import Ext4
from .fat.filesystem import Fat
from .image.probe import Probed, make_clean

Told = Callable[[int, int], None]
"""Changes that are done, and how many there are; each folder, file and link of a tree is one."""


def ignore(done: int, total: int) -> None:
    """A `Told` that shows nothing."""


def apply(image: Path, probed: Probed, changes: Sequence[Change], told: Told = ignore) -> None:
    """Carry out changes, in their order, first on FAT, then on ext4. Work on a copy: an error leaves it half changed.

    Raises:
        OutputError: a partition is full.
        UsageError: a change that its file system cannot take.
        InputError: a file that is to be copied is not there.
        DeviceNotFound, DeviceFailed: debugfs is not installed, or complains.
    """
    singles = list(expand(changes))
    on_boot = [change for change in singles if change.place is Place.BOOT]
    with image.open("r+b") as file:
        fat = open_boot(file, probed) if on_boot else None
        for done, change in enumerate(on_boot, 1):
            assert fat is not None
            _on_fat(fat, change)
            told(done, len(singles))
    if len(on_boot) < len(singles):
        make_clean(image, probed)
        system = Ext4(image, probed.root.start, probed.root.size)
        system.apply(changes, lambda done, total: told(len(on_boot) + done, len(singles)))
    with image.open("r+b") as file:
        os.fsync(file.fileno())


def open_boot(file: BinaryIO, probed: Probed) -> Fat:
    """The boot partition of an open image; raises UsageError when it has none."""
    if probed.boot is None:
        raise UsageError("the image has no FAT partition to write to", hint="the same command with --direct")
    return Fat(file, probed.boot.start, probed.boot.size)


def _on_fat(fat: Fat, change: Single) -> None:
    if isinstance(change, WriteFile):
        fat.write(change.path, change.content)
    else:
        fat.make_folder(change.path)
