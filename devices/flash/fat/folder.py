"""A folder on FAT: its rows, read and changed where they lie."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from ....errors import OutputError
from .layout import Layout
from .names import LONG_MARK, ROW, is_short, long_name, long_rows, short_name, shown
from .table import Table

FOLDER, VOLUME, ARCHIVE = 0x10, 0x08, 0x20
"""Attributes of a row."""
DELETED = 0xE5
LARGEST = 65536
"""Rows of a folder (Microsoft's FAT specification 1.03: 2 MiB)."""


@dataclass(frozen=True)
class Entry:
    """One file or folder, as its row says.

    Attributes:
        name: as people read it; short: its 11 letters.
        first: first cluster; 0 of an empty file, and of the root folder.
        size: bytes; 0 of a folder.
        slots: which rows of the folder it takes, its short one last.
    """

    name: str
    short: bytes
    folder: bool
    first: int
    size: int
    slots: range

    def answers_to(self, name: str) -> bool:
        """Whether a name, in whatever case, means this one."""
        return name.lower() in (self.name.lower(), shown(self.short, 0).lower())


class Folder:
    """The rows of one folder; first cluster 0 is FAT16's root."""

    def __init__(self, file: BinaryIO, offset: int, table: Table, first: int) -> None:
        self.file, self.offset, self.table, self.first = file, offset, table, first
        layout: Layout = table.layout
        self.fixed = not first
        self.clusters = table.chain(first)
        spans = [layout.at(n) for n in self.clusters] or [layout.root_at]
        self.width = layout.root_size if self.fixed else layout.cluster
        self.raw = bytearray(b"".join(self._span(at) for at in spans))

    def entries(self) -> Iterator[Entry]:
        """Everything in it but `.`, `..` and the volume's label."""
        long: list[bytes] = []
        start = 0
        for slot in range(len(self.raw) // 32):
            row = bytes(self.raw[32 * slot : 32 * slot + 32])
            if row[0] == 0:
                return
            if row[0] == DELETED:
                long = []
                continue
            short, attributes, case, *_, upper, _, _, lower, size = ROW.unpack(row)
            if attributes & 0x3F == LONG_MARK:
                start = start if long and not row[0] & 0x40 else slot
                long = [*long, row] if not row[0] & 0x40 else [row]
                continue
            name = long_name(long, short) if long else ""
            slots = range(start if name else slot, slot + 1)
            long = []
            if attributes & VOLUME or short[0] == ord("."):
                continue
            number = (upper << 16 if self.table.layout.wide else 0) | lower
            yield Entry(name or shown(short, case), short, bool(attributes & FOLDER), number, size, slots)

    def find(self, name: str) -> Entry | None:
        """The entry of a name, in whatever case; a long name goes before a short one."""
        found = [entry for entry in self.entries() if entry.answers_to(name)]
        exact = [entry for entry in found if entry.name.lower() == name.lower()]
        return next(iter([*exact, *found]), None)

    def add(self, name: str, folder: bool, first: int, size: int) -> None:
        """Put in a new row; raises OutputError when there is no room for it."""
        short = short_name(name, [entry.short for entry in self.entries()])
        rows = b"" if is_short(name) else long_rows(name, short)
        rows += self._row(short, FOLDER if folder else ARCHIVE, first, size)
        count = len(rows) // 32
        start = self._room(count)
        last = 0 in self.raw[32 * start : 32 * (start + count) : 32]
        self.raw[32 * start : 32 * (start + count)] = rows
        if last and 32 * (start + count) < len(self.raw):
            self.raw[32 * (start + count)] = 0  # what lies behind the end of a folder may be anything
            count += 1
        self._store(range(start, start + count))

    def update(self, entry: Entry, first: int, size: int) -> None:
        """Change where an entry's content is; its name, attributes and time of making stay."""
        at = 32 * entry.slots[-1]
        fields = list(ROW.unpack_from(self.raw, at))
        day, second = _now()
        fields[6:] = [day, self._upper(first), second, day, first & 0xFFFF, size]
        ROW.pack_into(self.raw, at, *fields)
        self._store(entry.slots)

    def remove(self, entry: Entry) -> None:
        """Take an entry's rows out; its clusters are the caller's business."""
        for slot in entry.slots:
            self.raw[32 * slot] = DELETED
        self._store(entry.slots)

    def start(self, parent: int) -> None:
        """Make a new folder's first two rows, `.` and `..`; a parent that is the root is 0 (specification, 6.5)."""
        dots = self._row(b".".ljust(11), FOLDER, self.first, 0) + self._row(b"..".ljust(11), FOLDER, parent, 0)
        self.raw = bytearray(dots.ljust(len(self.raw), b"\0"))
        self._store(range(len(self.raw) // 32))

    def _row(self, short: bytes, attributes: int, first: int, size: int) -> bytes:
        day, second = _now()
        upper = self._upper(first)
        return ROW.pack(short, attributes, 0, 0, second, day, day, upper, second, day, first & 0xFFFF, size)

    def _upper(self, first: int) -> int:
        return first >> 16 if self.table.layout.wide else 0

    def _room(self, count: int) -> int:
        """The first of `count` unused rows that lie together; the folder grows when there are none."""
        free, ended = 0, False
        for slot in range(len(self.raw) // 32):
            ended = ended or self.raw[32 * slot] == 0  # from there on all is free, whatever it looks like
            free = free + 1 if ended or self.raw[32 * slot] == DELETED else 0
            if free == count:
                return slot - count + 1
        start = len(self.raw) // 32 - free
        while len(self.raw) // 32 - start < count:
            if self.fixed or len(self.raw) // 32 + self.width // 32 > LARGEST:
                raise OutputError(
                    "a folder of the boot partition is full",
                    cause=f"it holds {len(self.raw) // 32} rows, and a long name takes several",
                    hint="the same command with --direct, which writes into the root file system instead",
                )
            self.clusters += self.table.take(1, after=self.clusters[-1])
            self.raw += bytes(self.width)
            self._write(len(self.clusters) - 1)
        return start

    def _store(self, slots: range) -> None:
        for block in sorted({32 * slot // self.width for slot in slots}):
            self._write(block)

    def _write(self, block: int) -> None:
        layout = self.table.layout
        self.file.seek(self.offset + (layout.root_at if self.fixed else layout.at(self.clusters[block])))
        self.file.write(self.raw[block * self.width : (block + 1) * self.width])

    def _span(self, at: int) -> bytes:
        self.file.seek(self.offset + at)
        return self.file.read(self.width)


def _now() -> tuple[int, int]:
    """Date and time as FAT has them: since 1980, in steps of two seconds."""
    now = time.localtime()
    day = max(0, now.tm_year - 1980) << 9 | now.tm_mon << 5 | now.tm_mday
    return day, now.tm_hour << 11 | now.tm_min << 5 | now.tm_sec // 2
