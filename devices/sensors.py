"""What a board tells of its own state: clocks, temperature, throttling, energy. Everything is read below a root."""

from __future__ import annotations

import re
from pathlib import Path

from .detect import entries, number_of, text_of

HOT_C = 80.0
"""Raspberry Pis throttle from 80 degrees Celsius on; a zone that states where it begins to throttle is held to that."""
COLDEST_C, HOTTEST_C = -40.0, 150.0
"""Readings outside are a sensor that is switched off; Jetsons give -256."""
CONSTANT = "PMIC"
"""Jetsons' power chip has no sensor and is always said to be at 100 degrees."""
THROTTLED = ("sys/devices/platform/soc/soc:firmware/get_throttled", "sys/devices/platform/soc*/soc*/get_throttled")
RAPL = "sys/class/powercap/intel-rapl:0"


def governor(root: Path = Path("/")) -> str:
    """The first core's frequency governor, or an empty string."""
    return text_of(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def frequencies_mhz(root: Path = Path("/")) -> list[int]:
    """Each core's frequency now, in MHz; empty where the kernel does not tell."""
    found = [number_of(p) for p in entries(root, "sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq")]
    return [khz // 1000 for khz in found if khz is not None]


def zones(root: Path = Path("/")) -> list[tuple[float, float]]:
    """Of each thermal zone with a sensor its temperature, and where it begins to throttle, in degrees Celsius."""
    found = [_zone(folder) for folder in entries(root, "sys/class/thermal/thermal_zone*")]
    return [zone for zone in found if zone is not None and COLDEST_C < zone[0] < HOTTEST_C]


def temperature_c(root: Path = Path("/")) -> float | None:
    """The hottest thermal zone in degrees Celsius; None where there is none."""
    return max((degrees for degrees, _ in zones(root)), default=None)


def throttled(root: Path = Path("/")) -> int | None:
    """The Raspberry Pi firmware's bits: 0 to 3 now, 16 to 19 since boot; None where the kernel does not tell."""
    files = [file for pattern in THROTTLED for file in entries(root, pattern)]
    return next((bits for bits in (bits_of(text_of(file)) for file in files) if bits is not None), None)


def bits_of(word: str) -> int | None:
    """The firmware's word as it is printed, in hex; None for anything else."""
    return int(word, 16) if re.fullmatch(r"(0x)?[0-9a-fA-F]{1,8}", word) else None


def energy_j(root: Path = Path("/")) -> float | None:
    """Joules the processor's package has used, a counter that wraps; None without Intel's RAPL or the right to read."""
    micro = number_of(root / RAPL / "energy_uj")
    return None if micro is None else micro / 1e6


def power_w(root: Path = Path("/")) -> float | None:
    """Watts at a Jetson's input now, from its INA3221; None elsewhere."""
    found = [number_of(p) for p in entries(root, "sys/bus/i2c/drivers/ina3221x/*/iio:device*/in_power0_input")]
    return found[0] / 1e3 if found and found[0] is not None else None  # the file tells milliwatts


def load(root: Path = Path("/")) -> float | None:
    """The load average of the last minute; None where the kernel does not tell."""
    try:
        return float(text_of(root / "proc/loadavg").split()[0])
    except (IndexError, ValueError):
        return None


def busy_s(root: Path = Path("/")) -> float | None:
    """Seconds that all cores together have worked since boot, waiting and stolen time left out; None if untold."""
    fields = text_of(root / "proc/stat").split("\n")[0].split()
    try:
        user, nice, system, _, _, irq, soft = (int(f) for f in fields[1:8])
    except ValueError:
        return None
    return (user + nice + system + irq + soft) / 100  # USER_HZ is 100 on Linux for every program


def _zone(folder: Path) -> tuple[float, float] | None:
    """Temperature of a zone and where it begins to throttle, in degrees Celsius; None for one without a sensor."""
    milli = number_of(folder / "temp")
    if milli is None or CONSTANT in text_of(folder / "type"):
        return None
    trips = entries(folder, "trip_point_*_type")
    passive = [number_of(t.with_name(t.name.replace("_type", "_temp"))) for t in trips if text_of(t) == "passive"]
    limits = [limit / 1000 for limit in passive if limit is not None and HOT_C <= limit / 1000 < HOTTEST_C]
    return milli / 1000, min(limits, default=HOT_C)
