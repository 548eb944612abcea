"""ext4 inside an image: read, listed and changed by debugfs, checked by e2fsck; no root, no mounting."""

from __future__ import annotations

import posixpath
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ....errors import InputError
from ....files import sha256_of
from ..tools import damaged_image, run_tool
from .debugfs import Session, quoted, session
from .superblock import Superblock, read_super

MAX_LINKS = 16
"""Symbolic links followed one after the other; Linux takes 40."""
FAST = re.compile(r'^Fast link dest: "(.*)"$', re.MULTILINE)


@dataclass(frozen=True)
class Node:
    """One entry of a folder.

    Attributes:
        mode: its permissions and kind, as in stat(2).
        owner, group: numbers.
        size: bytes; 0 of a folder.
    """

    mode: int
    owner: int
    group: int
    size: int

    @property
    def folder(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.mode)

    @property
    def link(self) -> bool:
        """Whether it is a symbolic link."""
        return stat.S_ISLNK(self.mode)


class Ext4:
    """One ext2, ext3 or ext4 file system in an image. Work on a copy: nothing here is safe against a power cut."""

    def __init__(self, image: Path, offset: int, size: int) -> None:
        """Read the superblock; raises InputError when there is no such file system.

        Args:
            offset, size: of the partition, bytes.
        """
        self.image, self.offset, self.size = image, offset, size
        self._folders: dict[str, dict[str, Node] | None] = {}
        self.superblock()

    def superblock(self) -> Superblock:
        """The superblock as it is now; raises InputError when there is none."""
        with self.image.open("rb") as file:
            found = read_super(file, self.offset)
        if found is None or found.blocks * found.block > self.size:
            raise InputError(
                f"the partition at byte {self.offset} of {self.image} holds no whole ext4 file system",
                cause="the image is damaged, or its root file system is of another kind",
                hint=f"file -s {self.image}",
            )
        return found

    @property
    def free_bytes(self) -> int:
        """Bytes in free blocks."""
        return self.superblock().free_bytes

    def listing(self, path: str = "/") -> dict[str, Node] | None:
        """What is in a folder; None when there is none of this name. Links on the way are followed."""
        if path not in self._folders:
            with session(self.image, self.offset) as debugfs:
                text, wrong = debugfs.ask(f"ls -p {quoted(path)}")
            rows = [row for row in text.decode("utf-8", "replace").splitlines() if row.startswith("/")]
            found = dict(_node(row) for row in rows)
            # A file answers with nothing, or with what its bytes look like; only a folder holds itself.
            self._folders[path] = {n: v for n, v in found.items() if n not in (".", "..")} if "." in found else None
            if wrong and (found or path == "/"):
                raise InputError(
                    f"{path} of the image's ext4 at byte {self.offset} cannot be listed: {wrong[0]}",
                    cause="the image is damaged, or newer than the e2fsprogs of this computer",
                    hint="debugfs -V",
                )
        return self._folders[path]

    def node(self, path: str) -> Node | None:
        """What is at a path; None when nothing is. A link there is itself, those on the way are followed."""
        if path == "/":
            return Node(stat.S_IFDIR | 0o755, 0, 0, 0)
        folder, name = posixpath.split(self.beside(path))
        return (self.listing(folder) or {}).get(name)

    def real(self, path: str, left: int = MAX_LINKS) -> str:
        """A path without links: where it leads, as far as there is anything; raises InputError when it is a circle."""
        found = "/"
        names = [name for name in path.split("/") if name not in ("", ".")]
        for place, name in enumerate(names):
            here = posixpath.normpath(posixpath.join(found, name))
            node = (self.listing(found) or {}).get(name) if name != ".." else None
            if node is not None and node.link:
                if not left:
                    raise InputError(f"the links of {path} in the image go round in a circle", hint="fer-edge doctor")
                target = posixpath.join(found, self.target(here), *names[place + 1 :])
                return self.real(target, left - 1)
            found = here
        return found

    def beside(self, path: str) -> str:
        """A path whose folder has no links; the last name stays what it is."""
        return posixpath.join(self.real(posixpath.dirname(path)), posixpath.basename(path))

    def exists(self, path: str) -> bool:
        """Whether there is something, links followed to their end."""
        return self.node(self.real(path)) is not None

    def target(self, path: str) -> str:
        """What a symbolic link points to."""
        with session(self.image, self.offset) as debugfs:
            text = debugfs.ask(f"stat {quoted(path)}")[0].decode("utf-8", "replace")
            if found := FAST.search(text):
                return found[1]
            return debugfs.ask(f"cat {quoted(path)}")[0].decode("utf-8", "replace")

    def read(self, path: str) -> bytes:
        """A file's content, links followed; raises InputError when there is none."""
        place = self.real(path)
        node = self.node(place)
        if node is None or not stat.S_ISREG(node.mode):
            raise InputError(
                f"there is no file {path} in the root file system of the image", hint="fer-edge flash --help"
            )
        with session(self.image, self.offset) as debugfs:
            content, wrong = debugfs.ask(f"cat {quoted(place)}")
        if wrong or len(content) != node.size:
            raise damaged_image(f"{path} of the image cannot be read: {wrong[0] if wrong else 'its size is another'}")
        return content

    def digests(self, paths: Sequence[str]) -> dict[str, str]:
        """SHA-256 of many files, in hex; those that cannot be read are left out."""
        found: dict[str, str] = {}
        with session(self.image, self.offset) as debugfs:
            for start in range(0, len(paths), 200):  # a temporary copy of some files at a time, not of all
                found |= _dumped(debugfs, paths[start : start + 200])
        return found

    def forget(self) -> None:
        """Read folders anew from now on."""
        self._folders.clear()

    def check(self) -> list[str]:
        """What e2fsck finds wrong; empty when nothing is. Raises DeviceNotFound without e2fsck."""
        with session(self.image, self.offset) as debugfs:
            done = run_tool("e2fsck", ["-f", "-n", debugfs.image], debugfs.folder)
        lines = done.stdout.decode("utf-8", "replace").splitlines()
        return [line for line in lines if line.strip() and not line.startswith("Pass ")] if done.returncode else []


def _node(row: str) -> tuple[str, Node]:
    """One line of `ls -p`: /inode/mode/owner/group/name/size/."""
    _, _, mode, owner, group, rest = row.split("/", 5)
    name, size, _ = rest.rsplit("/", 2)
    return name, Node(int(mode, 8), int(owner), int(group), int(size or 0))


def _dumped(debugfs: Session, paths: Sequence[str]) -> dict[str, str]:
    debugfs.ask_all([f"dump {quoted(path)} {i}" for i, path in enumerate(paths)])
    found = {}
    for i, path in enumerate(paths):
        copy = debugfs.folder / str(i)
        if copy.is_file():
            found[path] = sha256_of(copy)
            copy.unlink()
    return found
