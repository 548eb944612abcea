"""The board around a measurement: what it is, how it was before and after, and what makes figures doubtful."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from ...devices import cpu, sensors
from ...devices.detect import memory_mib, text_of
from .processes import worked_s

LIBRARIES = (
    *("numpy", "opencv-python-headless", "onnxruntime", "openvino", "ai-edge-litert", "tflite-runtime"),
    *("tensorrt", "rknn-toolkit-lite2", "torch"),
)
TELLING_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimd", "asimddp", "i8mm")
"""Instruction sets that decide how fast int8 is."""
BUSY = 0.1
"""Share of all cores that other programs may use before a warning."""
DRIFT = 0.05
"""By how much the medians of the first and the last third of a run may differ before a warning."""
HOTTER_C = 10.0
JUMP_S = 1.0
QUICKEST = "performance"


def environment(threads: int, root: Path = Path("/")) -> dict[str, Any]:
    """What the board is: names, cores, instruction sets, memory, governor, library versions."""
    release = dict(line.split("=", 1) for line in text_of(root / "etc/os-release").splitlines() if "=" in line)
    return {
        "board": cpu.model_name(root),
        "machine": platform.machine(),
        "cores": cpu.usable_cores(),
        "threads": threads,
        "instructions": sorted(cpu.flags(root).intersection(TELLING_FLAGS)),
        "memory_mib": memory_mib(root).get("MemTotal"),
        "governor": sensors.governor(root) or "none",
        "system": release.get("PRETTY_NAME", "").strip('"'),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "libraries": {name: found for name in LIBRARIES if (found := _version(name))},
    }


def state(root: Path = Path("/")) -> dict[str, Any]:
    """How the board is now; only what it tells."""
    told = {
        "temperature_c": sensors.temperature_c(root),
        "frequencies_mhz": sensors.frequencies_mhz(root) or None,
        "throttled": sensors.throttled(root),
        "load_1m": sensors.load(root),
        "power_w": sensors.power_w(root),
    }
    return {name: value for name, value in told.items() if value is not None}


@dataclass(frozen=True)
class Mark:
    """A moment: clocks and counters, to be compared with a later one."""

    steady_s: float
    wall_s: float
    own_s: float
    busy_s: float | None
    energy_j: float | None
    state: dict[str, Any]


def mark(root: Path = Path("/")) -> Mark:
    """This moment."""
    return Mark(perf_counter(), time.time(), worked_s(), sensors.busy_s(root), sensors.energy_j(root), state(root))


def between(before: Mark, after: Mark, cores: int) -> dict[str, Any]:
    """What happened between two moments: states, the share of all cores that others used, joules where told.

    Negative differences come from counters that wrapped or children that ended, and count as nothing.
    """
    seconds = max(after.steady_s - before.steady_s, 1e-9)
    told: dict[str, Any] = {"before": before.state, "after": after.state, "seconds": seconds}
    if before.busy_s is not None and after.busy_s is not None:
        others = (after.busy_s - before.busy_s) - (after.own_s - before.own_s)
        told["others_share"] = max(0.0, others / seconds / cores)
    if before.energy_j is not None and after.energy_j is not None and after.energy_j >= before.energy_j:
        told["energy_j"] = after.energy_j - before.energy_j
    told["clock_jump_s"] = (after.wall_s - before.wall_s) - seconds
    return told


def warnings(board: dict[str, Any], samples_ns: Sequence[int], governor: str) -> list[str]:
    """What makes a measurement doubtful, one sentence each."""
    found = []
    if governor not in (QUICKEST, "", "none"):
        found.append(f"the governor is {governor}, not {QUICKEST}: the processor may not run at its full clock")
    if board.get("others_share", 0.0) > BUSY:
        found.append(f"other programs used {board['others_share']:.0%} of the processor")
    if abs(change := drift(samples_ns)) > DRIFT:
        found.append(f"the last third of the run was {change:+.0%} against the first: heat, or other work")
    before, after = board.get("before", {}), board.get("after", {})
    if after.get("temperature_c", 0.0) - before.get("temperature_c", 1e9) > HOTTER_C:
        found.append(f"it became {after['temperature_c'] - before['temperature_c']:.0f} degrees hotter")
    if after.get("throttled", 0) & 0xF:
        found.append(f"the board throttles (bits {after['throttled']:#x})")
    if abs(board.get("clock_jump_s", 0.0)) > JUMP_S:
        found.append(f"the wall clock was set by {board['clock_jump_s']:+.0f} s; latencies do not depend on it")
    return found


def drift(samples_ns: Sequence[int]) -> float:
    """Median of the last third over that of the first, less 1; 0 for fewer than 30 samples."""
    third = len(samples_ns) // 3
    if third < 10:
        return 0.0
    return median(samples_ns[-third:]) / median(samples_ns[:third]) - 1


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
