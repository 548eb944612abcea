"""Where things are in a FAT16 or FAT32 file system: its boot sector (Microsoft's FAT specification 1.03)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ....errors import InputError

BOOT = struct.Struct("<3s8sHBHBHHBHHHII")
"""Jump, maker, bytes a sector, sectors a cluster, reserved sectors, tables, rows of the root folder, sectors (16 bit),
medium, sectors a table (16 bit), geometry (2), hidden sectors, sectors (32 bit)."""
BOOT32 = struct.Struct("<IHHIHH")
"""FAT32 from byte 36 on: sectors a table, flags, version, the root folder's cluster, sectors of FSInfo and backup."""
SMALLEST_FAT16 = 4085
"""Clusters; with fewer it is a FAT12. A FAT32 is told by its empty 16 bit field, as Linux does (fs/fat/inode.c); the
specification goes by the number of clusters alone, which small FAT32 made by mkfs.vfat do not keep to."""


@dataclass(frozen=True)
class Layout:
    """A FAT file system's measures.

    Attributes:
        wide: FAT32, else FAT16.
        cluster: bytes a cluster.
        tables: bytes from the file system's start to each table.
        table_size: bytes of one table.
        active: which table counts.
        root: first cluster of a FAT32's root folder; 0 on FAT16.
        root_at, root_size: bytes of a FAT16's root folder.
        data: bytes to the first cluster, whose number is 2.
        clusters: how many there are.
        info: bytes to FSInfo; 0 without.
    """

    wide: bool
    cluster: int
    tables: tuple[int, ...]
    table_size: int
    active: int
    root: int
    root_at: int
    root_size: int
    data: int
    clusters: int
    info: int

    def at(self, number: int) -> int:
        """Bytes from the file system's start to a cluster."""
        return self.data + (number - 2) * self.cluster


def looks_like_fat(sector: bytes) -> bool:
    """Whether the first sector of a partition is a FAT's; an MBR or NTFS is not."""
    if len(sector) < 512 or sector[510:512] != b"\x55\xaa" or sector[0] not in (0xEB, 0xE9):
        return False
    _, maker, width, per, reserved, tables, *_ = BOOT.unpack_from(sector)
    plausible = width in (512, 1024, 2048, 4096) and per and not per & (per - 1) and reserved and tables in (1, 2)
    return bool(plausible) and maker != b"NTFS    "


def read_layout(sector: bytes, size: int) -> Layout:
    """The measures that a boot sector of 512 bytes gives.

    Args:
        size: bytes of the partition.

    Raises:
        InputError: it is no FAT, a FAT12, or larger than its partition.
    """
    if not looks_like_fat(sector):
        raise _wrong("holds no FAT file system")
    _, _, width, per, reserved, copies, entries, short, _, small, _, _, _, long = BOOT.unpack_from(sector)
    big, flags, _, root, info, _ = BOOT32.unpack_from(sector, 36)  # nothing of ours on FAT16
    table = (small or big) * width
    root_at = reserved * width + copies * table
    root_size = -(-entries * 32 // width) * width
    data = root_at + root_size
    total = (short or long) * width
    clusters = (total - data) // (per * width)
    if total > size or clusters < 1:
        raise _wrong(f"has a FAT of {total} bytes in {size}")
    wide = not small
    if not wide and clusters < SMALLEST_FAT16:
        raise _wrong("has a FAT12, which no supported board boots from")
    if wide and not 2 <= root < clusters + 2:
        raise _wrong("has a FAT without a root folder")
    if table < (clusters + 2) * (4 if wide else 2):
        raise _wrong("has a FAT whose table is too small")
    return Layout(
        wide=wide,
        cluster=per * width,
        tables=tuple(reserved * width + i * table for i in range(copies)),
        table_size=table,
        active=flags & 0xF if wide and flags & 0x80 and flags & 0xF < copies else 0,
        root=root if wide else 0,
        root_at=root_at,
        root_size=root_size,
        data=data,
        clusters=clusters,
        info=info * width if wide and 0 < info < reserved else 0,
    )


def _wrong(what: str) -> InputError:
    return InputError(
        f"the boot partition {what}",
        cause="the image is damaged, or none for a supported board",
        hint="download the image again, and give its checksum with --sha256",
    )
