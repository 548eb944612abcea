"""Child processes that fail as their name says, and whether anything of them is left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.waiting import until

FAKES = Path(__file__).resolve().parents[1] / "fakes"
FAULTY_CAMERA, FAULTY_BACKEND = FAKES / "drivers" / "faulty.py", FAKES / "backends" / "faulty.py"


def gone(pid: int) -> bool:
    """Whether that process has ended; a zombie has, once its other threads, which still hold its pipes, have too."""
    try:
        return state(pid) == "" or (state(pid) == "Z" and len(os.listdir(f"/proc/{pid}/task")) == 1)
    except FileNotFoundError:
        return True


def state(pid: int) -> str:
    """Of a process, as the kernel names it: R runs, S waits, Z is a zombie; empty when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def descriptors() -> int:
    """How many this process has open."""
    return len(os.listdir("/proc/self/fd"))


def without_shared_memory(patch: pytest.MonkeyPatch) -> None:
    """As on a kernel that offers none."""

    def refused(name: str, flags: int) -> int:
        raise OSError(38, "Function not implemented")

    patch.setattr(os, "memfd_create", refused)


def kill_the_parent(script: str) -> int:
    """Run a script that prints the number of its child and then waits for it; kill the script, and give that number."""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    until(lambda: state(parent.pid) == "S")
    assert not gone(child)
    parent.kill()
    parent.communicate()
    return child
