"""Changes, turned into debugfs's commands."""

from __future__ import annotations

import posixpath
import stat
from collections.abc import Iterable
from pathlib import Path

from ....errors import UsageError
from ..changes import Change, MakeFolder, MakeLink, Place, Single, WriteFile, expand
from ..options import OnProgress
from .debugfs import Session, quoted, session
from .filesystem import Ext4, Node

BATCH = 500
"""Files a run of debugfs; it answers nothing in between, so this is how often progress shows."""


def apply_changes(system: Ext4, changes: Iterable[Change], on_progress: OnProgress) -> None:
    """Carry out every change meant for the root file system; `on_progress` hears how many are done, and of how many.

    Raises:
        OutputError: the file system is full; UsageError: a folder is where a file is to be, or the other way round.
        InputError: a file that is to be copied is not there; DeviceFailed: debugfs complains.
    """
    singles = [change for change in expand(changes) if change.place is Place.ROOT]
    for start in range(0, len(singles), BATCH):
        with session(system.image, system.offset) as debugfs:
            writer = _Writer(system, debugfs)
            for change in singles[start : start + BATCH]:
                writer.add(change)
            debugfs.change(writer.commands)
        system.forget()
        on_progress(min(start + BATCH, len(singles)), len(singles))


class _Writer:
    """Commands for changes; it remembers what they will have made."""

    def __init__(self, system: Ext4, debugfs: Session) -> None:
        self.system, self.debugfs = system, debugfs
        self.commands: list[str] = []
        self.made: dict[str, Node] = {}
        self.copies = 0

    def add(self, change: Single) -> None:
        parent = self._folder(posixpath.dirname(change.path))
        place = posixpath.join(parent, posixpath.basename(change.path))
        if isinstance(change, MakeFolder):
            if not self._is_folder(place):
                self._make(place, change.mode, change.owner, change.group)
            return
        node = self._node(place)
        if node is not None:
            if node.folder:
                raise UsageError(f"{change.path} of the image is a folder", hint="the same command with --dry-run")
            self.commands.append(f"rm {quoted(place)}")
        if isinstance(change, MakeLink):
            self.commands.append(f"symlink {quoted(place)} {quoted(change.target)}")
            self.made[place] = Node(stat.S_IFLNK | 0o777, 0, 0, len(change.target))
        else:
            self._write(change, parent, place)

    def _write(self, change: WriteFile, parent: str, place: str) -> None:
        copy = self.debugfs.folder / f"content{self.copies}"
        self.copies += 1
        if isinstance(change.content, Path):
            copy.symlink_to(change.content.absolute())
        else:
            copy.touch(mode=0o600)
            copy.write_bytes(change.content)
        self.commands += [f"cd {quoted(parent)}", f"write {copy.name} {quoted(posixpath.basename(place))}", "cd /"]
        self._own(place, stat.S_IFREG | change.mode, change.owner, change.group)

    def _folder(self, path: str) -> str:
        """The folder of a path, links followed; made when missing, with those above it."""
        place = self.system.real(path)
        missing = []
        while not self._is_folder(place):
            missing.append(place)
            place = posixpath.dirname(place)
        for folder in reversed(missing):
            self._make(folder, 0o755, 0, 0)
        return missing[0] if missing else place

    def _is_folder(self, place: str) -> bool:
        """Whether there is a folder; raises UsageError when something else is."""
        node = self._node(place)
        if node is not None and node.link:
            node = self._node(self.system.real(place))
        if node is not None and not node.folder:
            raise UsageError(f"{place} of the image is no folder", hint="the same command with --dry-run")
        return node is not None

    def _make(self, place: str, mode: int, owner: int, group: int) -> None:
        self.commands.append(f"mkdir {quoted(place)}")
        self._own(place, stat.S_IFDIR | mode, owner, group)

    def _own(self, place: str, mode: int, owner: int, group: int) -> None:
        fields = {"mode": f"0{mode:o}", "uid": owner, "gid": group}
        self.commands += [f"sif {quoted(place)} {name} {value}" for name, value in fields.items()]
        self.made[place] = Node(mode, owner, group, 0)

    def _node(self, place: str) -> Node | None:
        """What is at a path, with what the commands so far will have made."""
        if place in self.made:
            return self.made[place]
        return None if posixpath.dirname(place) in self.made else self.system.node(place)
