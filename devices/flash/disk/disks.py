"""The machine's disks, from /sys and /proc below a root: which is a card, and which must never be written."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from ....errors import DeviceNotFound, FerEdgeError, UsageError
from ...detect import number_of, text_of
from .uses import disk_behind, uses_of_disks

SECTOR = 512
"""sysfs counts a disk's size in these, whatever the disk's own sectors are."""
NO_SERIAL = "none"
"""What stands for the serial number of a disk that tells none."""
NO_DISKS = ("loop", "ram", "zram", "dm-", "md", "sr", "nbd", "fd", "mtd")
"""What is no disk of its own: made of others, in memory, or read-only by nature."""


@dataclass(frozen=True)
class Disk:
    """A whole disk.

    Attributes:
        name: of the kernel, such as sdb; path: /dev/sdb.
        size: bytes; 0 for a reader without a card.
        removable: a card, or a disk at USB.
        model, serial: as the disk says; empty where it does not.
        bus: usb, mmc, nvme, ata, loop or unknown.
        read_only: its switch or the kernel says so.
        uses: what of the running system is on it, such as `sdb1 mounted at /media/card`.
        sequence: a number of the kernel's that no other disk or card gets until it boots anew; 0 before Linux 5.15.
        first: SHA-256 of its first MiB when somebody was asked about it; empty where it was not read.
    """

    name: str
    size: int
    removable: bool
    model: str
    serial: str
    bus: str
    read_only: bool
    uses: tuple[str, ...]
    sequence: int = 0
    first: str = ""

    @property
    def path(self) -> Path:
        """Its node."""
        return Path("/dev") / self.name

    def words(self) -> str:
        """For people: what somebody needs to recognise it."""
        model, serial = self.model or "unnamed", self.serial or "none"
        return f"{self.path}: {model}, {self.size / 1e9:.1f} GB, {self.bus}, serial {serial}"


def list_disks(root: Path = Path("/"), loops: bool = False) -> list[Disk]:
    """Every disk that the kernel knows, by name.

    Args:
        loops: files that `losetup` shows as disks are listed too, and count as removable: for trying things out. One
            over another disk does not count.
    """
    users = uses_of_disks(root)
    found = []
    for folder in sorted((root / "sys/block").glob("*")):
        is_loop = folder.name.startswith("loop")
        if folder.name.startswith(NO_DISKS) and not (loops and is_loop):
            continue
        found.append(_disk(folder, users, is_loop and not disk_behind(folder, root)))
    return found


def find_disk(text: str, root: Path = Path("/"), loops: bool = False) -> Disk:
    """The disk that a path names, links followed; raises DeviceNotFound, and UsageError for a partition."""
    name = Path(os.path.realpath(text)).name if root == Path("/") else Path(text).name
    disks = {disk.name: disk for disk in list_disks(root, loops)}
    if name in disks:
        return disks[name]
    whole = next((d for d in disks.values() if (root / "sys/block" / d.name / name).is_dir()), None)
    if whole is not None:
        raise UsageError(
            f"{text} is a partition", cause="a card is written whole", hint=f"the same command with --to {whole.path}"
        )
    cards = ", ".join(str(d.path) for d in disks.values() if d.removable and d.size) or "none"
    raise DeviceNotFound(f"{text} is no disk of this machine", cause=f"removable disks here: {cards}", hint="lsblk")


def refusal(disk: Disk, size: int = 0) -> FerEdgeError | None:
    """Why `size` bytes must not be written to a disk, as the error to raise; None when they may."""
    if disk.uses:
        first = disk.uses[0]
        system = any(use.endswith((" at /", "swap")) or " at /boot" in use for use in disk.uses)
        what = "this machine runs from it" if system else "it is in use"
        hint = "lsblk" if system or "mounted at " not in first else f"umount {first.split('mounted at ')[1]}"
        return UsageError(f"{disk.path} is not written: {what}", cause="; ".join(disk.uses), hint=hint)
    if not disk.removable:
        why = "it lies over another disk" if disk.bus == "loop" else "it is built in, and no card or USB disk"
        cause = f"{disk.words()}: {why}"
        return UsageError(f"{disk.path} is not written: it is not removable", cause=cause, hint="lsblk -o +RM,MODEL")
    if not disk.size:
        return DeviceNotFound(f"{disk.path} has no card in it", cause="the reader is empty", hint="lsblk")
    if disk.read_only:
        cause = "the card's lock is on, or it has gone read-only at the end of its life"
        return UsageError(f"{disk.path} is read-only", cause=cause, hint=f"blockdev --getro {disk.path}")
    if size > disk.size:
        need = f"the image has {size / 1e9:.2f} GB, {disk.path} {disk.size / 1e9:.2f} GB"
        return UsageError(f"{disk.path} is too small", cause=need, hint="lsblk, and a larger card")
    return None


def check_size(disk: Disk, size: int) -> None:
    """Raises what `refusal` says against writing `size` bytes to a disk."""
    if (wrong := refusal(disk, size)) is not None:
        raise wrong


def _disk(folder: Path, users: dict[str, list[str]], is_file: bool) -> Disk:
    name = folder.name
    at = os.path.realpath(folder / "device")
    bus = _bus(name, at)
    card = bus == "mmc" and text_of(folder / "device/type").strip() == "SD"
    names = [name, *(part.parent.name for part in folder.glob("*/partition"))]
    uses = [use for each in names for use in users.get(each, [])]
    return Disk(
        name=name,
        size=int(text_of(folder / "size").strip() or 0) * SECTOR,
        removable=is_file or card or bus == "usb" or text_of(folder / "removable").strip() == "1",
        model=" ".join(filter(None, (_said(folder, "vendor"), _said(folder, "model") or _said(folder, "name")))),
        serial=_serial(folder, at),
        bus=bus,
        read_only=text_of(folder / "ro").strip() == "1",
        uses=tuple(uses),
        sequence=number_of(folder / "diskseq") or 0,
    )


def _said(folder: Path, name: str) -> str:
    return " ".join(text_of(folder / "device" / name).split())


def _bus(name: str, at: str) -> str:
    for start, bus in (("mmcblk", "mmc"), ("nvme", "nvme"), ("loop", "loop")):
        if name.startswith(start):
            return bus
    return next((bus for bus in ("usb", "ata", "virtio") if re.search(rf"/{bus}\d", at)), "unknown")


def _serial(folder: Path, at: str) -> str:
    """Of the disk, or of the USB reader that holds it; of a loop device, the file behind it."""
    for file in (folder / "device/serial", folder / "loop/backing_file"):
        if said := text_of(file).strip("\0 \n"):
            return said
    page = folder / "device/vpd_pg80"  # SCSI's page of the unit's serial number: four bytes of head, then text
    if page.is_file() and (said := page.read_bytes()[4:].decode("ascii", "replace").strip("\0 ")):
        return said
    for above in Path(at).parents:
        if (above / "idVendor").is_file():
            return text_of(above / "serial").strip()
    return ""
