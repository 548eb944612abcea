"""The doctor: everything that makes a device fail in practice, looked at in the order in which it matters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..profile import Profile
from . import bus, cameras, software, system
from .finding import Finding, State

__all__ = ["Finding", "State", "examine"]


def examine(profile: Profile, root: Path = Path("/"), work: Path | None = None) -> Iterator[Finding]:
    """Look at one device, most telling things first.

    Args:
        root: of the file system to read. Anything but / is a recorded tree: nothing is run or opened then.
        work: the folder whose disk must have room; the current one when None.
    """
    live = root == Path("/")
    yield from bus.examine(profile, root)
    yield from software.examine(profile, root, live)
    yield from cameras.examine(profile, root, live)
    yield from system.examine(profile, root, work)
