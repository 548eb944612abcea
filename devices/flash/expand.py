"""Changes, taken apart: an unpacked tree becomes its folders, files and links, and nobody else has to know trees."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from ...errors import InputError, UsageError
from .changes import Change, MakeFolder, MakeLink, Place, UnpackTree, WriteFile

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
    """Whether a path can stand between quotes in debugfs's language, and means one place."""
    pure = PurePosixPath(path)
    odd = {c for c in path if ord(c) < 32 or c in '"\x7f'}
    if not pure.is_absolute() or ".." in pure.parts or str(pure) != path or odd:
        raise UsageError(
            f"{path!r} is no place in an image",
            cause=f"it holds {' '.join(map(repr, sorted(odd)))}" if odd else "it is not absolute, or has ., .. or //",
            hint="rename the file",
        )
