"""What the ways of a first boot have to know of an image: a few of its texts, read once."""

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
    "/etc/passwd",
    "/etc/group",
    "/etc/shadow",
    "/etc/gshadow",
    "/etc/hosts",
    "/etc/sudoers.d/010_pi-nopasswd",
    "/etc/gdm3/custom.conf",
    "/var/lib/NetworkManager/NetworkManager.state",
    "/etc/skel/.bashrc",
    "/etc/skel/.profile",
    "/etc/skel/.bash_logout",
)
SIGNS = (
    "/lib/systemd/system/ssh.service",
    "/lib/systemd/system/userconfig.service",
    "/lib/systemd/system/lightdm.service",
    "/etc/NetworkManager",
    "/etc/ssh/sshd_config.d",
    "/usr/bin/cloud-init",
)
RFKILL = "/var/lib/systemd/rfkill"


@dataclass(frozen=True)
class Facts:
    """Of one image.

    Attributes:
        board, first_boot, architecture, python, glibc: as `Probed` has them.
        boot, root: path -> text, for those of the files above that are there.
        signs: those of the paths above that are there.
        switches: files in which systemd keeps that a Wi-Fi radio is off.
        zones: whether the image knows the card's time zone; True when it has none.
    """

    board: str
    first_boot: str
    architecture: str = "aarch64"
    python: str = ""
    glibc: str = ""
    boot: Mapping[str, str] = field(default_factory=dict)
    root: Mapping[str, str] = field(default_factory=dict, repr=False)
    signs: frozenset[str] = frozenset()
    switches: tuple[str, ...] = ()
    zones: bool = True


def read_facts(image: Path, probed: Probed, time_zone: str = "") -> Facts:
    """Read them from an image; it is not changed.

    Args:
        time_zone: of the card.

    Raises:
        InputError: the image is damaged; DeviceNotFound: debugfs is not installed.
    """
    boot: dict[str, str] = {}
    if probed.boot is not None:
        with image.open("rb") as file:
            fat = Fat(file, probed.boot.start, probed.boot.size)
            boot = {path: _text(fat.read(path), path) for path in BOOT_TEXTS if fat.exists(path)}
    system = Ext4(image, probed.root.start, probed.root.size)
    root = {path: _text(system.read(path), path) for path in ROOT_TEXTS if system.exists(path)}
    switches = system.listing(RFKILL) or {} if system.exists(RFKILL) else {}
    zone = f"/usr/share/zoneinfo/{time_zone}"
    return Facts(
        board=probed.board,
        first_boot=probed.first_boot,
        architecture=probed.architecture,
        python=probed.python,
        glibc=probed.glibc,
        boot=boot,
        root=root,
        signs=frozenset(path for path in SIGNS if system.exists(path)),
        switches=tuple(f"{RFKILL}/{name}" for name in sorted(switches) if name.endswith(":wlan")),
        zones=not time_zone or system.exists(zone),
    )


def _text(content: bytes, path: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path} of the image is no text", cause="the image is damaged") from None
