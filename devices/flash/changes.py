"""What is to be changed in an image: said first, shown as a plan, then applied by the editors and read back."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path


class Place(str, Enum):
    """Which file system of the image."""

    BOOT = "boot"
    ROOT = "root"


@dataclass(frozen=True)
class WriteFile:
    """A file that is made, or takes the place of one.

    Attributes:
        path: absolute in its file system, such as /etc/hostname.
        content: its bytes; or a file of this machine that is copied, for large ones.
        mode, owner, group: as numbers; FAT keeps none of them.
        secret: its content is not shown in a plan, nor told anywhere.
        why: a few words for the plan.
    """

    place: Place
    path: str
    content: bytes | Path
    mode: int = 0o644
    owner: int = 0
    group: int = 0
    secret: bool = False
    why: str = ""


@dataclass(frozen=True)
class MakeFolder:
    """A folder, made when missing; those above it are made too, with mode 0755 and root as their owner."""

    place: Place
    path: str
    mode: int = 0o755
    owner: int = 0
    group: int = 0
    why: str = ""


@dataclass(frozen=True)
class MakeLink:
    """A symbolic link; not on FAT."""

    place: Place
    path: str
    target: str
    why: str = ""


@dataclass(frozen=True)
class UnpackTree:
    """A folder of this machine, copied with everything in it; modes are kept, owner is root. Not on FAT."""

    place: Place
    path: str
    source: Path
    why: str = ""


Change = WriteFile | MakeFolder | MakeLink | UnpackTree
