"""A card's settings as the first boot reads them: a folder with one value a file, so that no shell has to unquote."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ....errors import InputError
from ..card.card import Card
from ..card.wifi import keyfile
from ..changes import Change, Place, WriteFile
from ..image.contents import Contents

FOLDER = "/fer-edge"
"""On the boot partition, which is mounted at /boot/firmware."""
SCRIPT = "first-boot.sh"
UNIT = "fer-edge-first-boot.service"


@dataclass(frozen=True)
class Setting:
    """One value."""

    name: str
    content: bytes = field(repr=False)
    secret: bool = False


def settings_of(card: Card) -> Iterator[Setting]:
    """What the card says beyond the kiosk's configuration; names as packaging/first-boot.sh reads them."""
    for name in ("hostname", "time_zone"):
        if value := getattr(card, name):
            yield Setting(name, f"{value}\n".encode())
    if card.user.name:
        yield Setting("user", f"{card.user.name}\n".encode())
    if card.user.password_hash:
        yield Setting("password", f"{card.user.password_hash}\n".encode(), secret=True)
    if card.user.ssh_keys:
        yield Setting("authorized_keys", "".join(f"{key}\n" for key in card.user.ssh_keys).encode())
    if card.wifi.ssid:
        yield Setting("wifi.nmconnection", keyfile(card.wifi), secret=True)
    if card.update.key:
        yield Setting("update.pub", f"{card.update.key}\n".encode())
    for name, value in card.secrets.items():
        yield Setting(name, f"{value}\n".encode(), secret=True)


def first_boot_folder(card: Card, payload: Path, identity: str) -> tuple[Change, ...]:
    """The folder of the boot partition that packaging/first-boot.sh works through: settings, payload, script, id.

    Args:
        payload: as `build_payload` makes it; its packaging files are taken from it.
        identity: as `new_identity` gives it.
    """
    settings = tuple(settings_of(card))
    changes: list[Change] = []
    for s in settings:
        place, why = f"{FOLDER}/settings/{s.name}", f"the card's {s.name}"
        changes.append(WriteFile(Place.BOOT, place, s.content, 0o600, secret=s.secret, why=why))
    for path in sorted(p for p in payload.rglob("*") if p.is_file()):
        name = path.relative_to(payload).as_posix()
        secret = name in ("config.toml", "SHA256SUMS")  # a camera's URL may hold a password, and this has its sum
        changes.append(WriteFile(Place.BOOT, f"{FOLDER}/payload/{name}", path, secret=secret, why="payload"))
    for name in (SCRIPT, UNIT):
        changes.append(WriteFile(Place.BOOT, f"{FOLDER}/{name}", payload / name, 0o755, why="the first boot"))
    changes.append(WriteFile(Place.BOOT, f"{FOLDER}/id", f"{identity}\n".encode(), secret=True, why="its name"))
    return tuple(changes)


def new_identity() -> str:
    """A name for this very first boot, so that steps of another one do not count as done; 16 hex digits.

    By chance, as is one that the other ways write: what derives from secrets would let somebody try them out.
    """
    return secrets.token_hex(8)


PATH = "/cmdline.txt"
RUN = (
    "systemd.run=/boot/firmware/firstrun.sh",
    "systemd.run_success_action=reboot",
    "systemd.run_failure_action=reboot",
    "systemd.unit=kernel-command-line.target",
)
"""systemd-run-generator(8): run a script instead of the usual boot; afterwards, boot anew."""
MEMORY = "cgroup_enable=memory"
"""The firmware of a Raspberry Pi gives its kernel `cgroup_disable=memory`, under which no unit's memory is limited or
kept from swap; this word takes that back (raspberrypi/linux, kernel/cgroup/cgroup.c)."""


def cmdline(contents: Contents, country: str, more: tuple[str, ...] = ()) -> bytes:
    """The line with the radio's country, limits of memory and more words; one of the same name is replaced.

    Raises InputError: the image has no such file, or another first boot is waiting in it.
    """
    if PATH not in contents.boot:
        raise InputError("the boot partition has no cmdline.txt", cause="it is no image for a Raspberry Pi")
    words = contents.boot[PATH].split()
    waiting = [w for w in words if w.startswith("systemd.run=")]
    if waiting and not set(waiting) <= set(RUN):
        raise InputError(
            f"another first boot waits in the image's cmdline.txt: {waiting[0]}",
            cause="the image was set up by another program already",
            hint="start from the image as it was downloaded",
        )
    added = [*([f"cfg80211.ieee80211_regdom={country}"] if country else []), *more]
    names = {word.partition("=")[0] for word in added}
    gone = (MEMORY, "cgroup_disable=memory")
    kept = [word for word in words if word.partition("=")[0] not in names and word not in gone]
    return (" ".join([*kept, *added, MEMORY]) + "\n").encode()
