"""Which devices are plugged in or built in, read from the kernel's own files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .profile import Profile

SLOW_MBPS = 480
"""USB 2; a Coral or NCS2 there works, and streams weights many times slower."""


@dataclass(frozen=True)
class UsbDevice:
    """One entry of /sys/bus/usb/devices: ids in hex, as `vendor:product`, and its speed in Mbit/s, 0 if unknown."""

    ids: str
    speed_mbps: int
    place: str
    product: str


def usb_devices(root: Path = Path("/")) -> list[UsbDevice]:
    """Everything on USB that states its ids.

    Args:
        root: of the file system to read; tests give recorded trees.
    """
    found = []
    for folder in sorted((root / "sys/bus/usb/devices").glob("*")):
        vendor, product = text_of(folder / "idVendor"), text_of(folder / "idProduct")
        if vendor and product:
            speed = text_of(folder / "speed").split(".")[0]
            mbps = int(speed) if speed.isdigit() else 0
            found.append(UsbDevice(f"{vendor}:{product}", mbps, folder.name, text_of(folder / "product")))
    return found


def pci_devices(root: Path = Path("/")) -> list[str]:
    """Ids of everything on PCIe, as `vendor:device` in hex."""
    folders = sorted((root / "sys/bus/pci/devices").glob("*"))
    return [f"{text_of(f / 'vendor')[2:]}:{text_of(f / 'device')[2:]}" for f in folders if text_of(f / "vendor")]


def evidence(profile: Profile, root: Path = Path("/")) -> str:
    """What shows that a device is here, in a few words; empty when nothing does."""
    for usb in usb_devices(root):
        if usb.ids in profile.usb:
            return f"USB {usb.ids} at {usb.speed_mbps} Mbit/s"
    for ids in pci_devices(root):
        if ids in profile.pci:
            return f"PCIe {ids}"
    model = text_of(root / "proc/device-tree/model")
    if profile.board and model.startswith(profile.board):
        return model
    known = text_of(root / "proc/device-tree/compatible").split("\0")
    match = next((name for name in profile.compatible if name in known), "")
    if match:
        return f"board {match}"
    identified = profile.usb or profile.pci or profile.board or profile.compatible
    node = next((n for n in profile.nodes if (root / n).exists()), "")
    if node and not identified:
        return f"/{node}"
    return "always" if profile.name == "cpu" else ""


def memory_mib(root: Path = Path("/")) -> dict[str, int]:
    """The kernel's memory figures by their names (MemTotal, SwapFree …), in MiB; empty where it tells none."""
    rows = [line.split() for line in text_of(root / "proc/meminfo").splitlines() if line.endswith("kB")]
    return {row[0].rstrip(":"): int(row[1]) // 1024 for row in rows}


def text_of(path: Path) -> str:
    """A kernel file's text without its end, or an empty string where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    except OSError:
        return ""
