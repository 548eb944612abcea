"""Which devices are plugged in or built in, read from the kernel's own files below a root; tests have recorded ones."""

from __future__ import annotations

import re
from collections.abc import Iterable
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
    """Everything on USB that states its ids."""
    found = []
    for folder in entries(root, "sys/bus/usb/devices/*"):
        vendor, product = text_of(folder / "idVendor"), text_of(folder / "idProduct")
        if vendor and product:
            mbps = number_of(folder / "speed") or 0
            found.append(UsbDevice(f"{vendor}:{product}", mbps, folder.name, text_of(folder / "product")))
    return found


def pci_devices(root: Path = Path("/")) -> list[str]:
    """Ids of everything on PCIe, as `vendor:device` in hex."""
    folders = entries(root, "sys/bus/pci/devices/*")
    return [f"{text_of(f / 'vendor')[2:]}:{text_of(f / 'device')[2:]}" for f in folders if text_of(f / "vendor")]


def driver_nodes(profile: Profile, root: Path = Path("/")) -> list[Path]:
    """The files that its driver made: those its patterns name, and of its PCI vendor's where it states one."""
    found = [path for pattern in profile.nodes for path in entries(root, pattern)]
    return [path for path in found if not profile.vendor or _vendor(root, path.name) == profile.vendor]


def _vendor(root: Path, node: str) -> str:
    """PCI vendor of the hardware behind a node such as renderD128, in hex; empty where the kernel tells none."""
    told = [text_of(folder / "vendor") for folder in entries(root, f"sys/class/*/{node}/device")]
    return next((text.removeprefix("0x") for text in told if text), "")


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
    if not identified and (nodes := driver_nodes(profile, root)):
        return f"/{nodes[0].relative_to(root)}"
    return "always" if not looked_for(profile) and on_processor(profile) else ""


def on_processor(profile: Profile) -> bool:
    """Whether the processor will do, which is always here: by ONNX Runtime, or by OpenVINO where that may take it."""
    return profile.backend == "onnxruntime" or str(profile.options.get("device")).split(":")[0] in ("CPU", "AUTO")


def is_here(profile: Profile, root: Path = Path("/")) -> bool:
    """Whether a device shows itself, or has nothing by which it could."""
    return bool(evidence(profile, root) or not looked_for(profile))


def looked_for(profile: Profile) -> str:
    """What `evidence` looks for, in words; empty for a device that nothing identifies."""
    places = [f"USB {ids}" for ids in profile.usb] + [f"PCIe {ids}" for ids in profile.pci]
    places += [f"a board named {profile.board}"] if profile.board else []
    places += [f"a board compatible with {name}" for name in profile.compatible]
    owner = f" of PCI vendor {profile.vendor}" if profile.vendor else ""
    return ", ".join(places or [f"/{n}{owner}" for n in profile.nodes])


def devices_here(profiles: Iterable[Profile], root: Path = Path("/")) -> dict[str, str]:
    """Name and evidence of every accelerator that is here; not of what runs on the processor."""
    seen = {p.name: evidence(p, root) for p in profiles if not on_processor(p)}
    return {name: words for name, words in seen.items() if words}


def memory_mib(root: Path = Path("/")) -> dict[str, int]:
    """The kernel's memory figures by their names (MemTotal, SwapFree …), in MiB; empty where it tells none."""
    rows = [line.split() for line in text_of(root / "proc/meminfo").splitlines()]
    told = [(row[0].rstrip(":"), _whole(row[1])) for row in rows if len(row) == 3 and row[2] == "kB"]
    return {name: kib // 1024 for name, kib in told if kib is not None}


def entries(root: Path, pattern: str) -> list[Path]:
    """What matches a pattern below `root`, sorted; nothing where a folder cannot be read or the pattern is none."""
    try:
        return sorted(root.glob(pattern))
    except (OSError, ValueError):
        return []


def text_of(path: Path) -> str:
    """A kernel file's text without its end, or an empty string where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    except OSError:
        return ""


def number_of(path: Path) -> int | None:
    """The whole number at the beginning of a kernel file, or None where there is none; `1.5` counts as 1."""
    return _whole(text_of(path).split(".")[0])


def _whole(text: str) -> int | None:
    """A decimal number of a length that the kernel prints, or None."""
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else None
