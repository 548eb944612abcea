"""Memory and processor time of this process and its children: a worker's memory is the benchmark's too."""

from __future__ import annotations

import ctypes
import gc
import os
from contextlib import suppress
from pathlib import Path

HERE = Path("/proc/self")


def family() -> list[Path]:
    """/proc folders of this process and of its children, grandchildren left out."""
    children = " ".join(_text(path) for path in HERE.glob("task/*/children")).split()
    return [HERE, *(Path("/proc") / number for number in children)]


def forget_peaks() -> None:
    """Give back what is free, and let the kernel count this process's highest memory anew.

    A kernel that does not allow it keeps the old peak.
    """
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)  # glibc keeps what an earlier row has freed
    try:
        (HERE / "clear_refs").write_text("5")
    except OSError:
        return


def peak_mib() -> float | None:
    """Highest resident memory of the family since `forget_peaks`, in MiB; None where the kernel does not tell."""
    peaks = [_field(folder / "status", "VmHWM:") for folder in family()]
    known = [kib for kib in peaks if kib is not None]
    return sum(known) / 1024 if known else None


def worked_s() -> float:
    """Processor seconds the family has used so far, ended children included."""
    times = os.times()
    own = times.user + times.system + times.children_user + times.children_system
    return own + sum(_worked(folder) for folder in family()[1:])


def _worked(folder: Path) -> float:
    fields = _text(folder / "stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if len(fields) > 12 else 0.0


def _field(path: Path, name: str) -> int | None:
    line = next((line for line in _text(path).splitlines() if line.startswith(name)), "")
    return int(line.split()[1]) if line else None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it ended meanwhile
        return ""
