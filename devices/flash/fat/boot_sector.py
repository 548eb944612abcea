"""The boot sector of a FAT file system: is it one that mtools can edit (Microsoft's FAT specification 1.03)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ....errors import InputError

BOOT = struct.Struct("<3s8sHBHBHHBHHHII")
"""Jump, maker, bytes a sector, sectors a cluster, reserved sectors, tables, rows of the root folder, sectors (16 bit),
medium, sectors a table (16 bit), geometry (2), hidden sectors, sectors (32 bit); FAT32 goes on with sectors a table."""
MIN_FAT16, MIN_FAT32 = 4085, 65525
"""Clusters; with fewer it is a FAT12 or FAT16."""


@dataclass(frozen=True)
class BootSector:
    """What we need of it: bytes a cluster, how many clusters there are, and whether it is a FAT32 (else FAT16)."""

    cluster: int
    clusters: int
    fat32: bool


def looks_like_fat(sector: bytes) -> bool:
    """Whether the first sector of a partition is a FAT's; an MBR or NTFS is not."""
    if len(sector) < 512 or sector[510:512] != b"\x55\xaa" or sector[0] not in (0xEB, 0xE9):
        return False
    _, maker, width, per, reserved, tables, *_ = BOOT.unpack_from(sector)
    plausible = width in (512, 1024, 2048, 4096) and per and not per & (per - 1) and reserved and tables in (1, 2)
    return bool(plausible) and maker != b"NTFS    "


def read_boot_sector(sector: bytes, size: int) -> BootSector:
    """Read a boot sector, 512 bytes; raises InputError for no FAT, a FAT12, or one larger than the partition's size."""
    if not looks_like_fat(sector):
        raise damaged("holds no FAT file system")
    _, _, width, per, reserved, copies, entries, short, _, small, _, _, _, long = BOOT.unpack_from(sector)
    table = (small or struct.unpack_from("<I", sector, 36)[0]) * width
    total = (short or long) * width
    data = reserved * width + copies * table + -(-entries * 32 // width) * width
    clusters = (total - data) // (per * width)
    if total > size or clusters < 1:
        raise damaged(f"has a FAT of {total} bytes in {size}")
    if small and clusters < MIN_FAT16:
        raise damaged("has a FAT12, which no supported board boots from")
    return BootSector(per * width, clusters, not small)


def damaged(what: str) -> InputError:
    """The error for a boot partition that cannot be used."""
    return InputError(
        f"the boot partition {what}",
        cause="the image is damaged, or none for a supported board",
        hint="download the image again, and give its checksum with --sha256",
    )
