"""Is the board fed, cool, awake, on time, and with room on its disk?"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from ..detect import entries, text_of
from ..sensors import COLDEST_C, CONSTANT, HOT_C, HOTTEST_C, bits_of, throttled, zones
from ..swapping import limits_memory, swap_on_disks
from .commands import ask
from .finding import Finding, ok, problem, unchecked

NOW = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}
"""Bits of the firmware's word; the same 16 places higher mean that it has happened since boot."""
MORE_SWAP = (
    "sudo fallocate -l 4G /swapfile && sudo chmod 600 /swapfile && sudo mkswap /swapfile && sudo swapon /swapfile"
)
ENABLED = "cgroup_enable=memory"
LIMIT_MEMORY = f"sudo sed -i '1s/$/ {ENABLED}/' /boot/firmware/cmdline.txt && sudo reboot"
"""The firmware of a Raspberry Pi tells its kernel to limit no service's memory, unless cmdline.txt says otherwise."""
SERVICE_GROUP = "sys/fs/cgroup/system.slice/fer-edge.service"
ROOM_MB = 500
SLEEPY = ("powersave", "conservative")
SELF_GOVERNED = ("intel_pstate", "amd-pstate-epp")
"""Drivers under which `powersave` is the usual choice and still reaches full speed."""


def examine(root: Path) -> Iterator[Finding]:
    """Throttling, temperature, governor, clock, swap."""
    raspberry = text_of(root / "proc/device-tree/model").startswith("Raspberry Pi")
    if raspberry:
        yield _throttling(root)
    yield _temperature(root)
    yield _governor(root)
    yield _clock(root)
    yield _swapping(root, raspberry)


def room(work: Path) -> Finding:
    """Whether the disk of a folder has room for a session and an engine."""
    try:
        free = shutil.disk_usage(work).free // 10**6
    except OSError as error:
        return unchecked("disk", f"{work}: {error.strerror}")
    if free < ROOM_MB:
        return problem("disk", f"{free} MB free in {work}", f"du -xsh {work}/* | sort -h | tail")
    return ok("disk", f"{free} MB free in {work}")


def _throttling(root: Path) -> Finding:
    """The firmware's word, from the kernel's file where there is one, else from vcgencmd: `throttled=0x50005`."""
    bits = throttled(root)
    if bits is None:
        answer = ask(root, ["vcgencmd", "get_throttled"])
        bits = bits_of(answer.text.partition("=")[2]) if answer else None
    if bits is None:
        return unchecked("throttling", "neither the kernel nor vcgencmd tells")
    now = [name for bit, name in NOW.items() if bits >> bit & 1]
    before = [name for bit, name in NOW.items() if bits >> (bit + 16) & 1]
    if now or before:
        when = f"now: {', '.join(now)}" if now else f"since boot: {', '.join(before)}"
        return problem("throttling", when, "vcgencmd get_throttled  # use the board's own power supply and a heat sink")
    return ok("throttling", "none since boot")


def _temperature(root: Path) -> Finding:
    known = zones(root)
    if not known:
        known = [(degrees, HOT_C) for degrees in _tegrastats(root)]
    if not known:
        return unchecked("temperature", "the board has no sensor")
    degrees, limit = max(known, key=lambda zone: zone[0] - zone[1])
    if degrees >= limit:
        fix = "cat /sys/class/thermal/thermal_zone*/temp  # fit a heat sink or a fan"
        return problem("temperature", f"{degrees:.0f} degrees: it slows down from {limit:.0f} on", fix)
    return ok("temperature", f"{max(zone[0] for zone in known):.0f} degrees")


def _tegrastats(root: Path) -> list[float]:
    """Temperatures that NVIDIA's tool prints, such as `CPU@37.5C`."""
    answer = ask(root, ["tegrastats"], one_line=True)
    told = re.findall(r"([A-Za-z0-9_]+)@(-?[0-9]{1,4}(?:\.[0-9]+)?)C\b", answer.text) if answer else []
    return [float(n) for name, n in told if name.upper() != CONSTANT and COLDEST_C < float(n) < HOTTEST_C]


def _governor(root: Path) -> Finding:
    folders = entries(root, "sys/devices/system/cpu/cpufreq/policy*") or [root / "sys/devices/system/cpu/cpu0/cpufreq"]
    names = dict.fromkeys(text for text in (text_of(f / "scaling_governor") for f in folders) if text)
    if not names:
        return unchecked("governor", "the kernel has none here")
    driver = text_of(folders[0] / "scaling_driver")
    sleepy = [name for name in names if name in SLEEPY and driver not in SELF_GOVERNED]
    if sleepy:
        fix = "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
        return problem("governor", f"{', '.join(sleepy)}: the processor stays slow", fix)
    return ok("governor", ", ".join(names))


def _clock(root: Path) -> Finding:
    """timesyncd's mark, else systemd's own word, which also knows of chrony; systemd before 239 has no `show`."""
    if os.path.exists(root / "run/systemd/timesync/synchronized"):
        return ok("clock", "synchronised")
    shown = ask(root, ["timedatectl", "show", "-p", "NTPSynchronized", "--value"])
    word = shown.text.lower() if shown and not shown.code else ""
    if not word and (status := ask(root, ["timedatectl"])):
        told = re.search(r"(?:System clock|NTP) synchronized: (\w+)", status.text)
        word = told[1] if told else ""
    if word == "yes":
        return ok("clock", "synchronised")
    if word == "no" or os.path.isdir(root / "run/systemd/timesync"):
        return problem("clock", "not synchronised: time stamps will be wrong", "sudo timedatectl set-ntp true")
    return unchecked("clock", "neither systemd-timesyncd nor timedatectl tells")


def _swapping(root: Path, raspberry: bool) -> Finding:
    """Whether a picture in the service's memory may reach a disk; before it runs, what its unit asks for counts."""
    group, limited = root / SERVICE_GROUP, limits_memory(root)
    if limited and not group.is_dir():
        return ok("swap of pictures", "none: the kernel limits the memory of services")
    off = raspberry and not limited and ENABLED not in text_of(root / "proc/cmdline").split()
    if swaps := swap_on_disks(root, group):
        seen = f"what the kiosk has in memory may be written to {', '.join(swaps)}"
        return problem("swap of pictures", seen, LIMIT_MEMORY if off else "sudo swapoff -a")
    if off:
        return problem("swap of pictures", "no swap now; but the kernel limits no service's memory", LIMIT_MEMORY)
    return ok("swap of pictures", "none on a disk")
