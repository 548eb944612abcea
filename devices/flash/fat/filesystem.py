"""FAT16 and FAT32 in pure Python: enough to put files on a card's boot partition, on every system, without root."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ....errors import InputError, UsageError
from .content import fill, pieces
from .folder import Entry, Folder
from .layout import read_layout
from .names import check_name
from .table import Table

LARGEST = (1 << 32) - 1
"""Bytes of a file: its size has 32 bits."""


class Fat:
    """One FAT file system in an open image.

    Paths are absolute, `/` between names; case does not matter. Names stay as they were when a file takes another's
    place. Nothing is safe against a power cut in the middle: work on a copy.
    """

    def __init__(self, file: BinaryIO, offset: int, size: int) -> None:
        """Read the boot sector and the table.

        Args:
            file: opened for reading, and for writing to change anything.
            offset, size: of the partition, bytes.

        Raises:
            InputError: it is no FAT16 or FAT32.
        """
        file.seek(offset)
        self.file, self.offset = file, offset
        self.layout = read_layout(file.read(512), size)
        self.table = Table(file, offset, self.layout)

    @property
    def free_bytes(self) -> int:
        """Bytes in free clusters."""
        return self.table.free_bytes

    def exists(self, path: str) -> bool:
        """Whether there is a file or folder."""
        return not _names(path) or self._find(path) is not None

    def is_folder(self, path: str) -> bool:
        """Whether there is a folder."""
        entry = self._find(path)
        return not _names(path) or (entry is not None and entry.folder)

    def listing(self, path: str = "/") -> dict[str, int | None]:
        """Names in a folder -> bytes of a file, None of a folder; raises InputError when there is no such folder."""
        return {entry.name: None if entry.folder else entry.size for entry in self._folder(path).entries()}

    def read(self, path: str) -> bytes:
        """A file's content; raises InputError when there is no such file."""
        return b"".join(self._content(path))

    def digest(self, path: str) -> str:
        """SHA-256 of a file, in hex, without holding it in memory; raises InputError when there is no such file."""
        found = hashlib.sha256()
        for piece in self._content(path):
            found.update(piece)
        return found.hexdigest()

    def write(self, path: str, content: bytes | Path) -> None:
        """Make a file, or put other content into one; missing folders are made.

        Args:
            content: its bytes, or a file of this machine.

        Raises:
            OutputError: the partition or a folder is full; nothing was changed but folders made.
            UsageError: a name that FAT does not take, or the name of a folder.
        """
        *above, name = _names(path) or [""]
        check_name(name)
        folder = self.make_folder("/".join(above))
        old = folder.find(name)
        if old is not None and old.folder:
            raise UsageError(f"{path} of the boot partition is a folder", hint="give the file another name")
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        if size > LARGEST:
            raise UsageError(f"{path} has {size} bytes, more than a file on FAT can have", hint="use --direct")
        count = -(-size // self.layout.cluster)
        self.table.need(count - len(self.table.chain(old.first) if old else ()))
        if old is None:
            folder.add(name, False, 0, 0)
            old = folder.find(name)
            assert old is not None
        self.table.give(old.first)
        chain = self.table.take(count)
        fill(self.file, self.offset, self.layout, chain, content)
        folder.update(old, chain[0] if chain else 0, size)
        self.table.flush()

    def make_folder(self, path: str) -> Folder:
        """A folder, made when missing, with those above it; raises as `write` does."""
        folder = self.root_folder()
        for name in _names(path):
            entry = folder.find(name)
            if entry is not None and not entry.folder:
                raise UsageError(
                    f"{name} in {path} of the boot partition is a file", hint="give the folder another name"
                )
            folder = self._made(folder, name) if entry is None else self.open_folder(entry)
        return folder

    def remove(self, path: str) -> None:
        """Remove a file, or an empty folder; raises InputError when there is none, or it is not empty."""
        *above, name = _names(path) or [""]
        folder = self._folder("/".join(above))
        entry = folder.find(name)
        if entry is None or (entry.folder and any(self.open_folder(entry).entries())):
            raise _missing(path, "no file or empty folder")
        folder.remove(entry)
        self.table.give(entry.first)
        self.table.flush()

    def _made(self, parent: Folder, name: str) -> Folder:
        check_name(name)
        (first,) = self.table.take(1)
        folder = Folder(self.file, self.offset, self.table, first)
        folder.start(0 if parent.first == self.layout.root else parent.first)
        try:
            parent.add(name, True, first, 0)
        except Exception:
            self.table.give(first)
            raise
        finally:
            self.table.flush()
        return folder

    def root_folder(self) -> Folder:
        """The root folder."""
        return Folder(self.file, self.offset, self.table, self.layout.root)

    def open_folder(self, entry: Entry) -> Folder:
        """The folder of an entry."""
        return Folder(self.file, self.offset, self.table, entry.first or self.layout.root)

    def _folder(self, path: str) -> Folder:
        if (entry := self._find(path)) is None and _names(path):
            raise _missing(path, "no folder")
        return self.open_folder(entry) if entry is not None else self.root_folder()

    def _content(self, path: str) -> Iterator[bytes]:
        entry = self._file(path)
        chain = self.table.chain(entry.first)
        return pieces(self.file, self.offset, self.layout, chain, entry.size)

    def _file(self, path: str) -> Entry:
        entry = self._find(path)
        if entry is None or entry.folder:
            raise _missing(path, "no file")
        return entry

    def _find(self, path: str) -> Entry | None:
        folder: Folder | None = self.root_folder()
        entry: Entry | None = None
        for name in _names(path):
            if folder is None:
                return None
            entry = folder.find(name)
            if entry is None:
                return None
            folder = self.open_folder(entry) if entry.folder else None
        return entry


def _names(path: str) -> list[str]:
    return [name for name in path.split("/") if name]


def _missing(path: str, what: str) -> InputError:
    return InputError(f"there is {what} {path} on the boot partition", hint="fer-edge flash --dry-run")
