"""Does a Jetson give its GPU what it has: memory, the highest power mode, steady clocks?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ..detect import entries, memory_mib, number_of, text_of
from ..profile import Profile
from .commands import ask
from .finding import Finding, ok, problem, unchecked
from .system import MORE_SWAP

SMALL_MIB = 5 * 1024
"""Boards with more memory than a Nano's 4 GB are not asked for memory or swap."""
MIN_SWAP_MIB = 2048
"""A Nano comes with 1,982 MiB of compressed memory as swap, which adds none."""
MIN_FREE_MIB = 500
"""A choice of ours: a process with CUDA and TensorRT loaded wants several hundred MiB before its first picture."""
GPUS = (
    *("sys/class/devfreq/*gpu*", "sys/class/devfreq/*.ga10b", "sys/class/devfreq/*.gv11b"),
    *("sys/devices/*.gpu/devfreq/*", "sys/devices/gpu.*/devfreq/*", "sys/devices/platform/*.gpu/devfreq/*"),
    *("sys/devices/*.ga10b/devfreq/*", "sys/devices/platform/bus@0/*.gpu/devfreq/*"),
)
"""Where the GPU's clock is: 57000000.gpu on the Nano, 17000000.gpu or .ga10b on Orin, as releases differ."""


def examine(profile: Profile, root: Path) -> Iterator[Finding]:
    """Memory and swap on a small board, power mode, clocks."""
    mib = memory_mib(root)
    if mib.get("MemTotal", 0) < SMALL_MIB:
        yield _memory(mib)
        yield _swap(mib)
    yield _power_mode(profile, root)
    yield _clocks(root)


def _memory(mib: dict[str, int]) -> Finding:
    total, free = mib.get("MemTotal"), mib.get("MemAvailable")
    if total is None or free is None:
        return unchecked("memory", "the kernel does not tell")
    if free < MIN_FREE_MIB:
        fix = "sudo systemctl isolate multi-user.target  # stops the desktop, which takes most of it"
        return problem("memory", f"{free} of {total} MiB free", fix)
    return ok("memory", f"{free} of {total} MiB free")


def _swap(mib: dict[str, int]) -> Finding:
    swap = mib.get("SwapTotal")
    if swap is None:
        return unchecked("swap", "the kernel does not tell")
    if swap < MIN_SWAP_MIB:
        return problem("swap", f"{swap} MiB; building an engine is killed without", MORE_SWAP)
    return ok("swap", f"{swap} MiB")


def _power_mode(profile: Profile, root: Path) -> Finding:
    """The mode in force against the modes that the board has: 0 is the highest on a Nano, 2 on an Orin Nano Super."""
    mode = _mode(root)
    if mode is None:
        return unchecked("power mode", "nvpmodel tells none")
    names = modes(text_of(root / "etc/nvpmodel.conf"))
    if not names and profile.name == "jetson-nano":
        names = {0: "MAXN", 1: "5W"}
    if mode not in names:
        return unchecked("power mode", f"{mode}; /etc/nvpmodel.conf does not say which is the highest")
    best = max(names, key=lambda number: _strength(names[number]))
    if _strength(names[mode]) == _strength(names[best]):
        return ok("power mode", f"{mode} ({names[mode]}), the highest")
    return problem("power mode", f"{mode} ({names[mode]}), not {names[best]}", f"sudo nvpmodel -m {best}")


def modes(configuration: str) -> dict[int, str]:
    """Power modes by number, from the text of nvpmodel's configuration: `< POWER_MODEL ID=0 NAME=MAXN >`."""
    told = re.findall(r"^<\s*POWER_MODEL\s+ID=([0-9]{1,4})\s+NAME=(\S+)\s*>", configuration, re.MULTILINE)
    return {int(number): name for number, name in told}


def _mode(root: Path) -> int | None:
    """`pmode:0001 fmode:quiet` in nvpmodel's own file, else the last line of what it answers."""
    told = re.match(r"pmode:([0-9]{1,4})", text_of(root / "var/lib/nvpmodel/status"))
    if told is None and (answer := ask(root, ["nvpmodel", "-q"])):
        told = re.search(r"^([0-9]{1,4})$", answer.text, re.MULTILINE)
    return int(told[1]) if told else None


def _strength(name: str) -> tuple[int, int]:
    """For comparing modes: MAXN_SUPER over MAXN over watts, `MODE_15W_6CORE` over `7W`."""
    watts = re.search(r"([0-9]{1,4})W", name)
    return (2 if "SUPER" in name else 1 if name.startswith("MAXN") else 0, int(watts[1]) if watts else 0)


def _clocks(root: Path) -> Finding:
    """Whether jetson_clocks holds the GPU's clock: lowest and highest are the same then."""
    lowest, highest = _gpu_range(root)
    if lowest is None or highest is None:
        return unchecked("clocks", "the kernel does not tell the GPU's")
    if lowest < highest:
        seen = f"the GPU's go from {lowest // 10**6} to {highest // 10**6} MHz; the first pictures wait for them"
        return problem("clocks", seen, "sudo jetson_clocks")
    return ok("clocks", f"the GPU's are held at {highest // 10**6} MHz")


def _gpu_range(root: Path) -> tuple[int | None, int | None]:
    """Lowest and highest clock of the GPU in Hz, from the kernel, else from what `jetson_clocks --show` prints."""
    for folder in [folder for pattern in GPUS for folder in entries(root, pattern)]:
        lowest, highest = number_of(folder / "min_freq"), number_of(folder / "max_freq")
        if lowest is not None and highest is not None:
            return lowest, highest
    answer = ask(root, ["jetson_clocks", "--show"])
    told = re.search(r"GPU MinFreq=([0-9]{1,15}) MaxFreq=([0-9]{1,15})", answer.text) if answer else None
    return (int(told[1]), int(told[2])) if told else (None, None)
