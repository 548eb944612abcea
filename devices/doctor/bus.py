"""Is it plugged in, fast enough, and may we touch it?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ..present import SLOW_MBPS, UsbDevice, evidence, text_of, usb_devices
from ..profile import Profile
from .finding import Finding, ok, problem, unchecked

RULES = ("etc/udev/rules.d", "lib/udev/rules.d", "usr/lib/udev/rules.d")


def examine(profile: Profile, root: Path) -> Iterator[Finding]:
    """Presence, USB speed, permission, udev rule, driver nodes."""
    seen = evidence(profile, root)
    if seen:
        yield ok("device", seen)
    else:
        yield problem("device", f"not found; looked for {_looked_for(profile)}", _look(profile))
    stick = next((d for d in usb_devices(root) if d.ids in profile.usb), None)
    if stick is not None:
        yield _speed(stick)
        yield _permission(stick, root)
        yield _rule(profile, root)
    elif profile.usb:
        yield unchecked("usb speed", "no device on USB")
    for node in profile.nodes:
        yield _node(root, node)


def _looked_for(profile: Profile) -> str:
    places = [f"USB {ids}" for ids in profile.usb] + [f"PCIe {ids}" for ids in profile.pci]
    places += [f"a board named {profile.board}"] if profile.board else []
    places += [f"a board compatible with {name}" for name in profile.compatible]
    return ", ".join(places or [f"/{n}" for n in profile.nodes] or ["nothing"])


def _look(profile: Profile) -> str:
    if profile.usb:
        return "lsusb  (unplug it, use another port and cable, plug it in again)"
    if profile.pci:
        return "lspci -nn"
    return "cat /proc/device-tree/model"


def _speed(stick: UsbDevice) -> Finding:
    if not stick.speed_mbps:
        return unchecked("usb speed", "the kernel does not tell it")
    if stick.speed_mbps <= SLOW_MBPS:
        return problem("usb speed", f"USB 2, {stick.speed_mbps} Mbit/s", "lsusb -t  (move it to a blue USB 3 port)")
    return ok("usb speed", f"{stick.speed_mbps} Mbit/s")


def _permission(stick: UsbDevice, root: Path) -> Finding:
    """Whether this user may write to the stick's node below /dev/bus/usb."""
    folder = root / "sys/bus/usb/devices" / stick.place
    bus, device = text_of(folder / "busnum"), text_of(folder / "devnum")
    if not (bus.isdigit() and device.isdigit()):
        return unchecked("permission", "the kernel does not tell its node")
    node = root / f"dev/bus/usb/{int(bus):03}/{int(device):03}"
    if not node.exists():
        return unchecked("permission", f"/{node.relative_to(root)} is not there")
    if os.access(node, os.W_OK):
        return ok("permission", f"/{node.relative_to(root)} is writable")
    return problem(
        "permission", f"/{node.relative_to(root)} is not writable for this user", "sudo usermod -aG plugdev $USER"
    )


def _rule(profile: Profile, root: Path) -> Finding:
    vendors = {ids.split(":")[0] for ids in profile.usb}
    for place in RULES:
        for file in sorted((root / place).glob("*.rules")):
            if any(vendor in text_of(file).lower() for vendor in vendors):
                return ok("udev rule", f"/{file.relative_to(root)}")
    lines = "\\n".join(
        f'SUBSYSTEM=="usb", ATTRS{{idVendor}}=="{v}", MODE="0664", GROUP="plugdev"' for v in sorted(vendors)
    )
    fix = f"printf '{lines}\\n' | sudo tee /etc/udev/rules.d/99-{profile.name}.rules && sudo udevadm trigger"
    return problem("udev rule", f"none names the vendor {' or '.join(sorted(vendors))}", fix)


def _node(root: Path, node: str) -> Finding:
    path = root / node
    if not path.exists():
        return problem("driver", f"/{node} is not there", "dmesg | tail  (is its kernel module loaded?)")
    if not os.access(path, os.R_OK | os.W_OK):
        return problem("driver", f"/{node} is not ours to open", f"ls -l /{node}  (join the group that owns it)")
    return ok("driver", f"/{node}")
