"""The table of a FAT file system: which cluster follows which, which are free."""

from __future__ import annotations

import struct
import sys
from array import array
from typing import BinaryIO

from ....errors import InputError, OutputError
from .layout import Layout

LEAD, MIDDLE = 0x41615252, 0x61417272
"""Signatures of FSInfo (Microsoft's FAT specification 1.03, "FSInfo")."""


class Table:
    """All of the table in memory; `flush` writes every copy, and the free count of FSInfo."""

    def __init__(self, file: BinaryIO, offset: int, layout: Layout) -> None:
        self.file, self.offset, self.layout = file, offset, layout
        self.mask, self.end = (0x0FFFFFFF, 0x0FFFFFF8) if layout.wide else (0xFFFF, 0xFFF8)
        self.code = "I" if layout.wide else "H"
        self.rows = self.read(layout.active)
        self.free = sum(1 for row in self.rows[2 : layout.clusters + 2] if not row & self.mask)
        self.next = 2

    def read(self, copy: int) -> array[int]:
        """One copy of the table."""
        self.file.seek(self.offset + self.layout.tables[copy])
        rows = array(self.code, self.file.read(self.layout.table_size))
        if sys.byteorder == "big":
            rows.byteswap()
        return rows

    def chain(self, first: int) -> list[int]:
        """The clusters of a file, from its first; empty for 0.

        Raises:
            InputError: the chain leaves the table, runs into a free cluster, or in a circle.
        """
        found: list[int] = []
        number = first
        while number and (number < self.end or not found):
            if not 2 <= number < self.layout.clusters + 2 or len(found) > self.layout.clusters:
                raise InputError(
                    f"the boot partition's table is damaged near cluster {found[-1] if found else first}",
                    cause="the image is damaged",
                    hint="download the image again, and give its checksum with --sha256",
                )
            found.append(number)
            number = self.rows[number] & self.mask
            if number == 0:
                number = 1  # a chain that runs into a free cluster
        return found

    def take(self, count: int, after: int = 0) -> list[int]:
        """Take `count` free clusters and make them a chain, behind cluster `after` if one is given.

        Raises:
            OutputError: there are fewer.
        """
        self.need(count)
        taken: list[int] = []
        number, last = self.next, self.layout.clusters + 2
        while len(taken) < count:
            number = 2 if number >= last else number
            if not self.rows[number] & self.mask:
                taken.append(number)
            number += 1
        self.next = number
        for one, other in zip(taken, [*taken[1:], 0], strict=False):
            self._set(one, other or self.mask)
        if after and taken:
            self._set(after, taken[0])
        self.free -= count
        return taken

    def need(self, count: int) -> None:
        """Raises OutputError when fewer than `count` clusters are free."""
        if count > self.free:
            raise OutputError(
                f"the boot partition is full: {count * self.layout.cluster} bytes needed, {self.free_bytes} free",
                cause="the image's boot partition is small",
                hint="the same command with --direct, which writes into the root file system instead",
            )

    def give(self, first: int) -> None:
        """Free a chain."""
        for number in self.chain(first):
            self._set(number, 0)
            self.free += 1
            self.next = min(self.next, number)

    @property
    def free_bytes(self) -> int:
        """Bytes in free clusters."""
        return self.free * self.layout.cluster

    def flush(self) -> None:
        """Write every copy, and FSInfo where there is one."""
        rows = array(self.code, self.rows)
        if sys.byteorder == "big":
            rows.byteswap()
        for at in self.layout.tables:
            self.file.seek(self.offset + at)
            self.file.write(rows.tobytes())
        if self.layout.info:
            self.file.seek(self.offset + self.layout.info)
            sector = bytearray(self.file.read(512))
            if (struct.unpack_from("<I", sector)[0], struct.unpack_from("<I", sector, 484)[0]) == (LEAD, MIDDLE):
                struct.pack_into("<II", sector, 488, self.free, self.next if self.free else 0xFFFFFFFF)
                self.file.seek(self.offset + self.layout.info)
                self.file.write(sector)

    def noted_free(self) -> int | None:
        """The free count that FSInfo has; None without one."""
        if not self.layout.info:
            return None
        self.file.seek(self.offset + self.layout.info + 488)
        count = int(struct.unpack("<I", self.file.read(4))[0])
        return None if count == 0xFFFFFFFF else count

    def _set(self, number: int, value: int) -> None:
        """The four highest bits of a FAT32's row are not ours and stay."""
        self.rows[number] = (self.rows[number] & ~self.mask & 0xFFFFFFFF) | (value & self.mask)
