"""Changes, carried out in an image."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ...errors import UsageError
from .changes import Change, Place, WriteFile, expand
from .ext4.apply import apply_changes
from .ext4.filesystem import Ext4
from .fat.filesystem import Fat
from .image.probe import Probed, make_clean
from .options import OnProgress, silent


def apply(image: Path, probed: Probed, changes: Sequence[Change], on_progress: OnProgress = silent) -> None:
    """Carry out changes, in their order, first on FAT, then on ext4. Work on a copy: an error leaves it half changed.

    Args:
        on_progress: counts changes; each folder, file and link of a tree is one.

    Raises:
        OutputError: a partition is full; UsageError: a change that its file system cannot take.
        InputError: a file that is to be copied is not there.
        DeviceNotFound, DeviceFailed: debugfs or mtools is not installed, or debugfs complains.
    """
    singles = list(expand(changes))
    on_boot = [change for change in singles if change.place is Place.BOOT]
    if on_boot:
        fat = open_boot(image, probed)
        for done, change in enumerate(on_boot, 1):
            if isinstance(change, WriteFile):
                fat.write(change.path, change.content)
            else:
                fat.make_folder(change.path)
            on_progress(done, len(singles))
    if len(on_boot) < len(singles):
        make_clean(image, probed)
        system = Ext4(image, probed.root.start, probed.root.size)
        apply_changes(system, changes, lambda done, total: on_progress(len(on_boot) + done, len(singles)))
    with image.open("r+b") as file:
        os.fsync(file.fileno())


def open_boot(image: Path, probed: Probed) -> Fat:
    """The boot partition of an image; raises UsageError when it has none."""
    if probed.boot is None:
        raise UsageError("the image has no FAT partition to write to", hint="the same command with --direct")
    return Fat(image, probed.boot.start, probed.boot.size)
