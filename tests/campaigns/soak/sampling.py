"""What a process and its children take: resident memory, descriptors, threads. From /proc, Linux only."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from campaigns.faults.processes import children_of

PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Sample:
    """One moment.

    Attributes:
        frames: looked at since the start.
        rss: bytes of the daemon; children: bytes of what it started, together.
        files, threads: of the daemon.
    """

    frames: int
    rss: int
    children: int
    files: int
    threads: int


def sample(pid: int, frames: int) -> Sample | None:
    """Of the daemon with that number, now; None when it has ended."""
    try:
        below = sum(resident(child) for child in children_of(pid))
        files = len(os.listdir(f"/proc/{pid}/fd"))
        return Sample(frames, resident(pid), below, files, len(os.listdir(f"/proc/{pid}/task")))
    except OSError:
        return None


def resident(pid: int) -> int:
    """Bytes; raises OSError."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE
