"""Cameras that fail as their name says, and whether anything of them is left."""

from __future__ import annotations

import os
from pathlib import Path

FAULTY = Path(__file__).resolve().parents[1] / "fakes" / "drivers" / "faulty.py"


def gone(pid: int) -> bool:
    """Whether that process has ended; a zombie has."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
