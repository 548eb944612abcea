"""Raspberry Pi OS before 2025-11-24: systemd runs firstrun.sh of the boot partition, as cmdline.txt says, and reboots.

The image's own firstboot, which grows the root file system, comes first and leaves the words for systemd in place.
"""

from __future__ import annotations

from pathlib import Path

from ..card.card import Card
from ..changes import Change, Place, WriteFile
from ..image.contents import Contents
from .settings import FOLDER, PATH, RUN, SCRIPT, cmdline, first_boot_folder, new_identity

WRAPPER = f"""\
#!/bin/sh
# Named by systemd.run in cmdline.txt: fer-edge's first boot. It takes itself out of cmdline.txt when it is done.
exec /bin/sh /boot/firmware{FOLDER}/{SCRIPT}
"""


def changes(card: Card, payload: Path, contents: Contents) -> tuple[Change, ...]:
    """What goes onto the boot partition; cmdline.txt comes last, for it is what sets the rest off.

    Raises InputError: the image has no cmdline.txt, or another first boot waits in it.
    """
    return (
        *first_boot_folder(card, payload, new_identity()),
        WriteFile(Place.BOOT, "/firstrun.sh", WRAPPER.encode(), 0o755, why="what systemd runs once"),
        WriteFile(
            Place.BOOT, PATH, cmdline(contents, card.country, RUN), why="has systemd run it; the radio's country"
        ),
    )
