"""What tells one kiosk from another by itself: eight letters of its machine and of where its store lies."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PLACEHOLDER = "{kiosk}"
"""Stands in a topic for `own_name`."""
_MACHINE = ("etc/machine-id", "sys/firmware/devicetree/base/serial-number")
"""Made at a system's first boot, and burnt into a board: a card that was copied later has the first in common."""
_UNSET = ("", "uninitialized")
"""What /etc/machine-id says before it is made (machine-id(5))."""


def own_name(state: Path, root: Path = Path("/")) -> str:
    """Eight hexadecimal letters, the same at every start; another machine, or folder, has others.

    Args:
        state: the folder that the kiosk alone writes to.
        root: of the system.
    """
    known = list(machine_words(root)) or [socket.gethostname()]
    return digest_of([*known, str(state.resolve())])[:8]


def machine_words(root: Path = Path("/")) -> Iterator[str]:
    """What the system and the board call themselves; nothing where neither does."""
    for file in _MACHINE:
        with suppress(OSError):
            word = (root / file).read_text(encoding="ascii", errors="replace").strip("\x00\n ")
            if word not in _UNSET:
                yield word


def digest_of(words: list[str]) -> str:
    """Of texts in their order, in hexadecimal letters; nobody reads a machine's id out of it."""
    return hashlib.sha256("|".join(words).encode()).hexdigest()
