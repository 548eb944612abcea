"""What is to be changed in an image: said first, shown as a plan, then applied by the editors and read back."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath

from ...errors import InputError, UsageError


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
Single = WriteFile | MakeFolder | MakeLink


def expand(changes: Iterable[Change]) -> Iterator[Single]:
    """Every change as files, folders and links, in their order.

    Raises:
        UsageError: a path that is not absolute and plain, or a link or tree meant for FAT.
        InputError: a tree holds something else, or a file that is to be copied is not there.
    """
    for change in changes:
        _check_path(change.path)
        if isinstance(change, (MakeLink, UnpackTree)) and change.place is Place.BOOT:
            raise UsageError(
                f"FAT keeps no links and no modes: {change.path}", hint="write it into the root file system"
            )
        if isinstance(change, UnpackTree):
            yield from _tree(change)
        else:
            if isinstance(change, WriteFile) and isinstance(change.content, Path) and not change.content.is_file():
                raise InputError(f"{change.content} is not there to be copied", hint=f"ls -l {change.content.parent}")
            yield change


def size_of(change: WriteFile) -> int:
    """Bytes of a file to be written."""
    return len(change.content) if isinstance(change.content, bytes) else change.content.stat().st_size


def last_ones(changes: Iterable[Change]) -> dict[tuple[Place, str], Single]:
    """What is at each path when all is done: a later change of a path takes an earlier one's place."""
    return {(change.place, change.path): change for change in expand(changes)}


def _tree(tree: UnpackTree) -> Iterator[Single]:
    if not tree.source.is_dir():
        raise InputError(f"{tree.source} is no folder to be copied", hint=f"ls -l {tree.source.parent}")
    yield MakeFolder(tree.place, tree.path, why=tree.why)
    for folder, folders, files in os.walk(tree.source):
        for name in sorted([*folders, *files]):
            path = Path(folder) / name
            place = str(PurePosixPath(tree.path) / path.relative_to(tree.source).as_posix())
            _check_path(place)
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                yield MakeLink(tree.place, place, os.readlink(path))
            elif stat.S_ISDIR(mode):
                yield MakeFolder(tree.place, place, stat.S_IMODE(mode))
            elif stat.S_ISREG(mode):
                yield WriteFile(tree.place, place, path, stat.S_IMODE(mode))
            else:
                raise InputError(f"{path} is no file, folder or link", hint=f"rm {path}")


def _check_path(path: str) -> None:
    """Raises UsageError for a path that debugfs cannot quote, or that is not absolute and plain."""
    pure = PurePosixPath(path)
    odd = {c for c in path if ord(c) < 32 or c in '"\x7f'}
    if not pure.is_absolute() or ".." in pure.parts or str(pure) != path or odd:
        raise UsageError(
            f"{path!r} is no place in an image",
            cause=f"it holds {' '.join(map(repr, sorted(odd)))}" if odd else "it is not absolute, or has ., .. or //",
            hint="rename the file",
        )
