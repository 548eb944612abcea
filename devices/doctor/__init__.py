"""The doctor: everything that makes a device fail in practice, looked at in the order in which it matters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..detect import evidence
from ..profile import Profile
from . import bus, cameras, jetson, software, system
from .commands import is_live
from .finding import Finding, State

__all__ = ["Finding", "State", "examine"]


def examine(profile: Profile, root: Path = Path("/"), work: Path | None = None) -> Iterator[Finding]:
    """Look at one device, most telling things first: what keeps it from working before what slows it down.

    Args:
        root: of the file system to read. Anything but / is a recorded tree: nothing is run or opened then, and what
            programs said is read from its folder `commands` (see commands.py).
        work: the folder whose disk must have room; the current one when None.
    """
    yield from bus.examine(profile, root)
    yield from software.examine(profile, root, here=bool(evidence(profile, root)))
    if profile.backend == "onnxruntime" and is_live(root):
        yield software.tuned()
    yield system.room(work or Path.cwd())
    yield from cameras.examine(root)
    yield from bus.speed(profile, root)
    if profile.backend == "tensorrt":
        yield from jetson.examine(profile, root)
    yield from system.examine(root)
