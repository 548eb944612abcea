"""Is it plugged in, fast enough, and may we touch it?"""

from __future__ import annotations

import grp
import os
from collections.abc import Iterator
from pathlib import Path

from ..detect import SLOW_MBPS, UsbDevice, driver_nodes, entries, evidence, looked_for, number_of, text_of, usb_devices
from ..profile import Profile
from .finding import Finding, ok, problem, unchecked

RULES = ("etc/udev/rules.d", "lib/udev/rules.d", "usr/lib/udev/rules.d")
VERSIONS = ("sys/module/rknpu/version", "sys/kernel/debug/rknpu/version")
"""Where Rockchip's driver tells its version; the second is root's alone, and begins with words."""


def examine(profile: Profile, root: Path) -> Iterator[Finding]:
    """Presence, driver and its nodes, udev rule, permission."""
    seen = evidence(profile, root)
    if seen:
        yield ok("device", seen)
    else:
        yield problem("device", f"not found; looked for {looked_for(profile) or 'nothing'}", _look(profile))
    if profile.driver:
        yield _driver(profile, root) if seen else unchecked("driver", "waits for the device")
    if profile.nodes:
        yield from _nodes(profile, root) if seen else [unchecked("device node", "waits for the device")]
    stick = _stick(profile, root)
    if stick is not None:
        rule = _rule(profile, root)
        yield rule
        yield _permission(stick, root, ruled=not rule.fix)


def speed(profile: Profile, root: Path) -> Iterator[Finding]:
    """How fast a stick is connected. Slow is not broken, so this comes after what is."""
    stick = _stick(profile, root)
    if stick is None:
        if profile.usb:
            yield unchecked("usb speed", "no device on USB")
    elif not stick.speed_mbps:
        yield unchecked("usb speed", "the kernel does not tell it")
    elif stick.speed_mbps > SLOW_MBPS:
        yield ok("usb speed", f"{stick.speed_mbps} Mbit/s")
    elif stick.ids != profile.usb[-1]:
        waits = f"{stick.speed_mbps} Mbit/s before its firmware is loaded; look again after the first picture"
        yield unchecked("usb speed", waits)
    else:
        yield problem("usb speed", f"USB 2, {stick.speed_mbps} Mbit/s", "lsusb -t  # move it to a blue USB 3 port")


def driver_version(root: Path) -> str:
    """Version of Rockchip's NPU driver; empty where there is none or it cannot be read."""
    told = next((text for text in (text_of(root / place) for place in VERSIONS) if text), "")
    return told.split()[-1].removeprefix("v") if told else ""


def _stick(profile: Profile, root: Path) -> UsbDevice | None:
    return next((d for d in usb_devices(root) if d.ids in profile.usb), None)


def _look(profile: Profile) -> str:
    """What shows a person that it is there."""
    if profile.usb:
        command = profile.probe[0] if profile.probe else "lsusb"
        return f"{command}  # nothing? unplug it, use another port and cable, plug it in again"
    if profile.probe:
        return profile.probe[0]
    return "lspci -nn" if profile.pci else "cat /proc/device-tree/model"


def _driver(profile: Profile, root: Path) -> Finding:
    signs = [path for pattern in profile.driver for path in entries(root, pattern)]
    if not signs:
        looked = ", ".join(f"/{pattern}" for pattern in profile.driver)
        return problem("driver", f"not in this kernel: no {looked}", "uname -r  # use the board vendor's own kernel")
    version = driver_version(root)
    return ok("driver", f"/{signs[0].relative_to(root)}" + (f", version {version}" if version else ""))


def _nodes(profile: Profile, root: Path) -> Iterator[Finding]:
    nodes = driver_nodes(profile, root)
    if not nodes:
        names = ", ".join(f"/{name}" for name in profile.nodes)
        yield problem("device node", f"{names} is not there", "sudo dmesg | tail -50  # is its kernel module loaded?")
    for node in nodes:
        name = f"/{node.relative_to(root)}"
        if os.access(node, os.R_OK | os.W_OK):
            yield ok("device node", name)
        else:
            yield problem("device node", f"{name} is not ours to open", _join(node))


def _rule(profile: Profile, root: Path) -> Finding:
    """Whether udev's rules name every vendor that the stick has, before and after its firmware is loaded."""
    vendors = sorted({ids.split(":")[0] for ids in profile.usb})
    named: dict[str, Path] = {}
    for file in [file for place in RULES for file in entries(root, f"{place}/*.rules")]:
        lines = [line for line in text_of(file).lower().splitlines() if not line.lstrip().startswith("#")]
        named.update({vendor: file for vendor in vendors if any(f'"{vendor}"' in line for line in lines)})
    missing = [vendor for vendor in vendors if vendor not in named]
    if not missing:
        files = dict.fromkeys(f"/{file.relative_to(root)}" for file in named.values())
        return ok("udev rule", ", ".join(files))
    text = "\\n".join(f'SUBSYSTEM=="usb", ATTRS{{idVendor}}=="{v}", MODE="0664", GROUP="plugdev"' for v in vendors)
    rules = f"/etc/udev/rules.d/99-{profile.name}.rules"
    fix = f"printf '{text}\\n' | sudo tee {rules} && sudo udevadm control --reload-rules && sudo udevadm trigger"
    return problem("udev rule", f"none names the vendor {' or '.join(missing)}", fix)


def _permission(stick: UsbDevice, root: Path, *, ruled: bool) -> Finding:
    """Whether this user may write to the stick's node below /dev/bus/usb."""
    folder = root / "sys/bus/usb/devices" / stick.place
    bus, device = number_of(folder / "busnum"), number_of(folder / "devnum")
    if bus is None or device is None:
        return unchecked("permission", "the kernel does not tell its node")
    node = root / f"dev/bus/usb/{bus:03}/{device:03}"
    name = f"/{node.relative_to(root)}"
    if not os.path.exists(node):
        return unchecked("permission", f"{name} is not there")
    if os.access(node, os.W_OK):
        return ok("permission", f"{name} is writable")
    if not ruled:
        return unchecked("permission", f"{name} is not writable for this user; the udev rule comes first")
    return problem("permission", f"{name} is not writable for this user", _join(node))


def _join(node: Path) -> str:
    """The command that lets this user open a node: join its group, or have the rules set one."""
    try:
        group = grp.getgrgid(node.stat().st_gid).gr_name
    except (OSError, KeyError):
        group = "root"
    if group == "root":
        return "sudo udevadm control --reload-rules && sudo udevadm trigger  # or unplug it and plug it in again"
    return f"sudo usermod -aG {group} $USER  # then log in again"
