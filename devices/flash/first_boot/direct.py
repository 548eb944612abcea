"""Everything written into the root file system: no step at the first boot, nothing secret on FAT.

What install.sh does is done by install.sh itself, into a folder of this computer, so both ways end in the same files.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from ....errors import DeviceFailed, DeviceNotFound, InputError
from ...update.signature import KEY
from ..card.card import Card
from ..card.wifi import CONNECTION, keyfile
from ..changes import Change, MakeFolder, MakeLink, Place, UnpackTree, WriteFile
from ..image.contents import Contents
from .accounts import SYSTEM, Accounts, accounts_of
from .direct_user import hosts, user_changes, with_card_user
from .settings import PATH, cmdline, new_identity

WANTS = "/etc/systemd/system/multi-user.target.wants"
INSTALLED = (
    ("/usr/local/bin/fer-edge", 0o755),
    ("/etc/systemd/system/fer-edge.service", 0o644),
    ("/etc/systemd/system/fer-edge-settle.service", 0o644),
    ("/etc/udev/rules.d/60-fer-edge.rules", 0o644),
    ("/etc/modules-load.d/fer-edge.conf", 0o644),
)
STATE = "/var/lib/NetworkManager/NetworkManager.state"


def stage(payload: Path, into: Path) -> Path:
    """Install a payload into a new folder, by its own install.sh; the folder.

    Without its configuration, which is laid beside it: the release is named by a checksum over the rest, and that name
    is in the receipt.

    Raises DeviceNotFound: this computer has not the programs; DeviceFailed: install.sh failed, with what it said.
    """
    if sys.platform != "linux":
        raise DeviceNotFound("--direct needs Linux, whose install.sh it runs", hint="leave --direct out")
    root, plain, config = into / "staged", into / "plain", payload / "config.toml"
    shutil.copytree(payload, plain, copy_function=os.link)
    for name in (config.name, "SHA256SUMS"):
        (plain / name).unlink(missing_ok=True)
    lines = (payload / "SHA256SUMS").read_text().splitlines(keepends=True)
    (plain / "SHA256SUMS").write_text("".join(line for line in lines if not line.endswith(f"  ./{config.name}\n")))
    command = ["sh", str(plain / "install.sh"), "--root", str(root)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise DeviceFailed(
            f"install.sh failed: {done.stderr.strip()}", cause="the payload or the disk of this computer"
        )
    if config.is_file():
        (root / "etc/fer-edge").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(config, root / "etc/fer-edge" / config.name)
    return root


def changes(card: Card, staged: Path, contents: Contents) -> tuple[Change, ...]:
    """What goes into the root file system from what `stage` made, and the country into a Raspberry Pi's cmdline.txt.

    Raises InputError: the image has no account files, or does not know the card's time zone.
    """
    accounts = with_card_user(kiosk_accounts(contents), card, contents)
    return (
        *installed(staged, accounts),
        *system_changes(card, contents),
        *user_changes(card, accounts, contents),
        *secret_files(card, accounts),
    )


def kiosk_accounts(contents: Contents) -> Accounts:
    """The image's accounts with the groups and the user that install.sh makes on a board."""
    accounts = accounts_of(contents)
    for group in ("video", "render", "plugdev", "gpio"):
        accounts = accounts.with_group(group, SYSTEM)
    return accounts.with_user("fer-edge", SYSTEM, "/var/lib/fer-edge", "/usr/sbin/nologin")


def installed(staged: Path, accounts: Accounts) -> Iterator[Change]:
    """What install.sh put into the folder, and what it would have done to a running system."""
    place = Place.ROOT
    yield UnpackTree(place, "/opt/fer-edge", staged / "opt/fer-edge", why="fer-edge and what it needs")
    for path, mode in INSTALLED:
        yield WriteFile(place, path, staged / path.lstrip("/"), mode, why="installed")
    if (staged / "var/cache/fer-edge").is_dir():
        yield UnpackTree(place, "/var/cache/fer-edge", staged / "var/cache/fer-edge", why="the face detector")
    config = staged / "etc/fer-edge/config.toml"
    yield MakeFolder(place, "/etc/fer-edge", why="the kiosk's configuration")
    if config.is_file():
        group = accounts.group_number("fer-edge") or 0
        yield WriteFile(place, "/etc/fer-edge/config.toml", config, 0o640, 0, group, secret=True, why="the kiosk's")
    yield MakeFolder(place, WANTS)
    for unit in ("fer-edge.service", "fer-edge-settle.service"):
        yield MakeLink(place, f"{WANTS}/{unit}", f"/etc/systemd/system/{unit}", why="starts at boot")
    for path, text in accounts.files().items():
        shadow = path in ("/etc/shadow", "/etc/gshadow")
        group = (accounts.group_number("shadow") or 0) if shadow else 0
        mode = 0o640 if shadow else 0o644
        yield WriteFile(place, path, text.encode(), mode, 0, group, secret=shadow, why="accounts")


def system_changes(card: Card, contents: Contents) -> Iterator[Change]:
    """Host name, time zone, Wi-Fi and its country; cloud-init, which would set up others, is off."""
    place = Place.ROOT
    if card.hostname:
        yield WriteFile(place, "/etc/hostname", f"{card.hostname}\n".encode(), why="the card's host name")
        yield WriteFile(place, "/etc/hosts", hosts(contents, card.hostname).encode(), why="the card's host name")
    if card.time_zone:
        if not contents.zones:
            raise InputError(f"the image knows no time zone {card.time_zone}", hint="ls /usr/share/zoneinfo")
        yield MakeLink(place, "/etc/localtime", f"/usr/share/zoneinfo/{card.time_zone}", why="the card's time zone")
        yield WriteFile(place, "/etc/timezone", f"{card.time_zone}\n".encode(), why="the card's time zone")
    if "/usr/bin/cloud-init" in contents.markers:
        yield WriteFile(place, "/etc/cloud/cloud-init.disabled", b"", why="all is set up already")
    if PATH in contents.boot:
        yield WriteFile(Place.BOOT, PATH, cmdline(contents, card.country), why="memory has limits; the radio's country")
    if card.wifi.ssid:
        yield from _wifi(card, contents)


def _wifi(card: Card, contents: Contents) -> Iterator[Change]:
    place = Place.ROOT
    if "/etc/NetworkManager" not in contents.markers:
        raise InputError(
            "the image has no NetworkManager, which Wi-Fi is set up with",
            hint="leave [wifi] out of card.toml and use a cable",
        )
    yield WriteFile(place, CONNECTION, keyfile(card.wifi), 0o600, secret=True, why="Wi-Fi")
    if STATE in contents.root:
        text = contents.root[STATE].replace("WirelessEnabled=false", "WirelessEnabled=true")
        yield WriteFile(place, STATE, text.encode(), 0o600, why="the radio is on")
    for switch in contents.switches:
        yield WriteFile(place, switch, b"0\n", why="the radio is on")


def secret_files(card: Card, accounts: Accounts) -> Iterator[Change]:
    """Files of one line below /etc/fer-edge: for the kiosk alone, whose updates it takes, what makes it unique."""
    if card.update.key:
        yield WriteFile(Place.ROOT, f"/{KEY}", f"{card.update.key}\n".encode(), why="whose updates it takes")
    group = accounts.group_number("fer-edge") or 0
    why = "so that a checksum over the card tells nothing of its secrets"
    yield WriteFile(Place.ROOT, "/etc/fer-edge/card", f"{new_identity()}\n".encode(), 0o600, secret=True, why=why)
    for name, value in card.secrets.items():
        path = f"/etc/fer-edge/{name}"
        yield WriteFile(Place.ROOT, path, f"{value}\n".encode(), 0o640, 0, group, secret=True, why="the kiosk's")
