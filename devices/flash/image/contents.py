"""The files of an image that the first boot depends on, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ....errors import InputError
from ..ext4.filesystem import Ext4
from ..fat.filesystem import Fat
from .probe import Probed

BOOT_TEXTS = ("/cmdline.txt", "/meta-data")
ROOT_TEXTS = (
    "/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/hosts", "/etc/sudoers.d/010_pi-nopasswd",
    "/etc/gdm3/custom.conf", "/var/lib/NetworkManager/NetworkManager.state",
    "/etc/skel/.bashrc", "/etc/skel/.profile", "/etc/skel/.bash_logout",
)  # fmt: skip
MARKERS = (
    "/lib/systemd/system/ssh.service",
    "/lib/systemd/system/userconfig.service",
    "/lib/systemd/system/lightdm.service",
    "/etc/NetworkManager",
    "/etc/ssh/sshd_config.d",
    "/usr/bin/cloud-init",
)
RFKILL = "/var/lib/systemd/rfkill"


@dataclass(frozen=True)
class Contents:
    """What one image holds.

    Attributes:
        board: as `Probed` has it.
        boot, root: path -> text, for those of the files above that are there.
        markers: those of the paths above that are there.
        switches: files in which systemd keeps that a Wi-Fi radio is off.
        zones: whether the image knows the card's time zone; True when it has none.
    """

    board: str
    boot: Mapping[str, str] = field(default_factory=dict)
    root: Mapping[str, str] = field(default_factory=dict, repr=False)
    markers: frozenset[str] = frozenset()
    switches: tuple[str, ...] = ()
    zones: bool = True


def read_contents(image: Path, probed: Probed, time_zone: str = "") -> Contents:
    """Read them from an image, which is not changed, and look for the card's time zone.

    Raises InputError: the image is damaged; DeviceNotFound: debugfs or mtools is not installed.
    """
    boot: dict[str, str] = {}
    if probed.boot is not None:
        fat = Fat(image, probed.boot.start, probed.boot.size)
        boot = {path: _text(fat.read(path), path) for path in BOOT_TEXTS if fat.exists(path)}
    system = Ext4(image, probed.root.start, probed.root.size)
    root = {path: _text(system.read(path), path) for path in ROOT_TEXTS if system.exists(path)}
    switches = system.listing(RFKILL) or {} if system.exists(RFKILL) else {}
    zone = f"/usr/share/zoneinfo/{time_zone}"
    return Contents(
        board=probed.board,
        boot=boot,
        root=root,
        markers=frozenset(path for path in MARKERS if system.exists(path)),
        switches=tuple(f"{RFKILL}/{name}" for name in sorted(switches) if name.endswith(":wlan")),
        zones=not time_zone or system.exists(zone),
    )


def _text(content: bytes, path: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path} of the image is no text", cause="the image is damaged") from None
