"""Is the board awake, cool, fed, in memory, on time, and with room on its disk?"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from ..present import memory_mib, text_of
from ..profile import Profile
from .finding import Finding, ok, problem, unchecked

HOT_C = 80.0
"""Raspberry Pis throttle from 80 degrees Celsius on."""
THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"
NOW = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}
"""Bits of the firmware's word; the same 16 places higher mean that it has happened since boot."""
NANO_SWAP_MIB = 2048
MORE_SWAP = (
    "sudo fallocate -l 4G /swapfile && sudo chmod 600 /swapfile && sudo mkswap /swapfile && sudo swapon /swapfile"
)
ROOM_MB = 500
SLEEPY = ("powersave", "conservative")


def examine(profile: Profile, root: Path, work: Path | None) -> Iterator[Finding]:
    """Governor, temperature, throttling, memory, power mode, clock, disk."""
    yield _governor(root)
    yield _temperature(root)
    if text_of(root / "proc/device-tree/model").startswith("Raspberry Pi"):
        yield _throttling(root)
    if profile.name == "jetson-nano":
        yield _swap(root)
    if profile.backend == "tensorrt":
        yield _power_mode(root)
    yield _clock(root)
    yield _room(work or Path.cwd())


def _governor(root: Path) -> Finding:
    name = text_of(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    if not name:
        return unchecked("governor", "the kernel has none here")
    if name in SLEEPY:
        fix = "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
        return problem("governor", f"{name}: the processor stays slow", fix)
    return ok("governor", name)


def _temperature(root: Path) -> Finding:
    zones = [text_of(z / "temp") for z in sorted((root / "sys/class/thermal").glob("thermal_zone*"))]
    degrees = [int(z) / 1000 for z in zones if z.lstrip("-").isdigit()]
    if not degrees:
        return unchecked("temperature", "the board has no sensor")
    if max(degrees) >= HOT_C:
        return problem("temperature", f"{max(degrees):.0f} degrees: it slows down", "fit a heat sink or a fan")
    return ok("temperature", f"{max(degrees):.0f} degrees")


def _throttling(root: Path) -> Finding:
    word = text_of(root / THROTTLED)
    try:
        bits = int(word, 16)
    except ValueError:
        return unchecked("throttling", "the firmware does not tell; vcgencmd get_throttled does")
    now = [name for bit, name in NOW.items() if bits >> bit & 1]
    before = [name for bit, name in NOW.items() if bits >> (bit + 16) & 1]
    if now or before:
        when = f"now: {', '.join(now)}" if now else f"since boot: {', '.join(before)}"
        return problem("throttling", when, "vcgencmd get_throttled  (use the board's own power supply and a heat sink)")
    return ok("throttling", "none since boot")


def _swap(root: Path) -> Finding:
    mib = memory_mib(root).get("SwapTotal")
    if mib is None:
        return unchecked("swap", "no meminfo")
    if mib < NANO_SWAP_MIB:
        return problem("swap", f"{mib} MiB; building an engine is killed without", MORE_SWAP)
    return ok("swap", f"{mib} MiB")


def _power_mode(root: Path) -> Finding:
    mode = text_of(root / "var/lib/nvpmodel/status")
    if not mode:
        return unchecked("power mode", "nvpmodel left no status")
    if not mode.replace("pmode:", "").strip("0 "):
        return ok("power mode", "the highest")
    return problem("power mode", mode, "sudo nvpmodel -m 0 && sudo jetson_clocks")


def _clock(root: Path) -> Finding:
    if (root / "run/systemd/timesync/synchronized").exists():
        return ok("clock", "synchronised")
    if not (root / "run/systemd/timesync").exists():
        return unchecked("clock", "systemd-timesyncd does not run here")
    return problem("clock", "not synchronised: time stamps will be wrong", "timedatectl set-ntp true")


def _room(work: Path) -> Finding:
    free = shutil.disk_usage(work).free // 10**6
    if free < ROOM_MB:
        return problem("disk", f"{free} MB free in {work}", f"du -xsh {work}/* | sort -h | tail")
    return ok("disk", f"{free} MB free in {work}")
