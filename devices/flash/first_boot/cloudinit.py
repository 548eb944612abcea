"""Raspberry Pi OS from 2025-11-24 on: cloud-init reads user-data and meta-data of the boot partition.

cloud-init does one thing for us: at every boot, until we are done, it has systemd start first-boot.sh. It would run a
`runcmd` once, even if the power fails in its middle (its semaphore is written before), and it would keep what user-data
says, so settings and secrets are left to first-boot.sh, which can begin again and removes them. At its end it switches
cloud-init off. network-config stays as the image has it, without a word: the network is NetworkManager's.
"""

from __future__ import annotations

import json
from pathlib import Path

from ..card.card import Card
from ..changes import Change, Place, WriteFile
from ..image.contents import Contents
from .settings import FOLDER, PATH, SCRIPT, cmdline, first_boot_folder, new_identity

SCRIPT_PATH = f"/boot/firmware{FOLDER}/{SCRIPT}"
ARM = f"[ ! -f {SCRIPT_PATH} ] || sh {SCRIPT_PATH} --arm"


def user_data() -> str:
    """YAML without any of the card's settings: first-boot.sh makes the user and names the host, not cloud-init."""
    command = json.dumps(["sh", "-c", ARM])  # a JSON list is YAML
    return f"#cloud-config\npreserve_hostname: true\nusers: []\nbootcmd:\n  - {command}\n"


def meta_data(identity: str) -> str:
    """A new instance-id makes cloud-init look at user-data, even where an image has been booted before."""
    return f"instance-id: fer-edge-{identity}\ndsmode: local\n"


def changes(card: Card, payload: Path, contents: Contents) -> tuple[Change, ...]:
    """What goes onto the boot partition, last user-data, which sets the rest off; raises InputError: no cmdline.txt."""
    identity = new_identity()
    words = (f"ds=nocloud;i=fer-edge-{identity}",)
    return (
        *first_boot_folder(card, payload, identity),
        WriteFile(Place.BOOT, PATH, cmdline(contents, card.country, words), why="names this first boot; the country"),
        WriteFile(Place.BOOT, "/meta-data", meta_data(identity).encode(), why="names this first boot"),
        WriteFile(Place.BOOT, "/user-data", user_data().encode(), why="has systemd start the first boot"),
    )
