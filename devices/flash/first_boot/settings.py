"""A card's settings as the first boot reads them: a folder with one value a file, so that no shell has to unquote."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
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


def first_boot_folder(card: Card, payload: Path) -> tuple[Change, ...]:
    """The folder of the boot partition that packaging/first-boot.sh works through: settings, payload, script, id.

    Args:
        payload: as `build_payload` makes it; its packaging files are taken from it.
    """
    settings = tuple(settings_of(card))
    changes: list[Change] = []
    for s in settings:
        place, why = f"{FOLDER}/settings/{s.name}", f"the card's {s.name}"
        changes.append(WriteFile(Place.BOOT, place, s.content, 0o600, secret=s.secret, why=why))
    for path in sorted(p for p in payload.rglob("*") if p.is_file()):
        name = path.relative_to(payload).as_posix()
        secret = name == "config.toml"  # a camera's URL may hold a password
        changes.append(WriteFile(Place.BOOT, f"{FOLDER}/payload/{name}", path, secret=secret, why="payload"))
    for name in (SCRIPT, UNIT):
        changes.append(WriteFile(Place.BOOT, f"{FOLDER}/{name}", payload / name, 0o755, why="the first boot"))
    changes.append(WriteFile(Place.BOOT, f"{FOLDER}/id", f"{folder_id(settings, payload)}\n".encode(), why="its name"))
    return tuple(changes)


def folder_id(settings: Iterable[Setting], payload: Path) -> str:
    """A name for this very first boot, so that steps of another one do not count as done; 16 hex digits."""
    digest = hashlib.sha256((payload / "SHA256SUMS").read_bytes())
    for setting in settings:
        digest.update(f"{setting.name}\0".encode() + hashlib.sha256(setting.content).digest())
    return digest.hexdigest()[:16]


PATH = "/cmdline.txt"
RUN = (
    "systemd.run=/boot/firmware/firstrun.sh",
    "systemd.run_success_action=reboot",
    "systemd.run_failure_action=reboot",
    "systemd.unit=kernel-command-line.target",
)
"""systemd-run-generator(8): run a script instead of the usual boot; afterwards, boot anew."""


def cmdline(contents: Contents, country: str, more: tuple[str, ...] = ()) -> bytes:
    """The line with the radio's country and more words; one of the same name is replaced.

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
    kept = [word for word in words if word.partition("=")[0] not in names]
    return (" ".join([*kept, *added]) + "\n").encode()
