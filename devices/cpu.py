"""What the processor at hand can do, read from the system's own files below a root; tests give recorded trees."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from .detect import text_of


def flags(root: Path = Path("/")) -> frozenset[str]:
    """Instruction-set flags of the first core, from /proc/cpuinfo (x86 `flags`, Arm `Features`); empty when unknown."""
    for line in text_of(root / "proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def model_name(root: Path = Path("/")) -> str:
    """The board's name from the device tree, else the processor's, else `unknown`."""
    board = text_of(root / "proc/device-tree/model")
    if board:
        return board
    for line in text_of(root / "proc/cpuinfo").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"


def usable_cores() -> int:
    """Cores this process may use, which a container or taskset may have reduced."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_threads() -> int:
    """Threads for inference: every usable core up to four; a 112-pixel ResNet-18 gains nothing from more."""
    return max(1, min(4, usable_cores()))


OPENBLAS = ("libopenblas", "libscipy_openblas")
"""numpy's and OpenCV's. Nothing here multiplies large matrices in them, and their threads wait for work by spinning:
on two cores, loading ONNX Runtime took 51 to 58 ms beside them and 21 to 29 without (four runs of each in turn)."""


def limit_threads(threads: int) -> None:
    """Give every pool of this process that belongs to a library so many threads: OpenCV's, OpenMP's, a BLAS's.

    OpenBLAS gets one. Runtimes have pools of their own, which their backends limit. Without this, what numpy calls
    takes every core, and waits for each of them on a busy machine or in a container that may use fewer than it sees.
    """
    from threadpoolctl import threadpool_limits

    os.environ["OPENCV_FOR_THREADS_NUM"] = str(threads)  # where it is loaded later, if at all: it is 16 MiB of memory
    if "cv2" in sys.modules:
        from ..opencv import cv2

        cv2.setNumThreads(threads)
    threadpool_limits({"blas": threads, "openmp": threads, **dict.fromkeys(OPENBLAS, 1)})
