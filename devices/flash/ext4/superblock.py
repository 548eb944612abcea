"""The superblock of an ext4 file system (kernel documentation, filesystems/ext4, "Super Block")."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

SUPERBLOCK_OFFSET = 1024
MAGIC = 0xEF53
RECOVER = 0x4
"""Incompatible feature: the journal holds changes that were not carried out."""
WIDE = 0x80
"""Incompatible feature: numbers of blocks have 64 bits."""


@dataclass(frozen=True)
class Superblock:
    """What we need of it.

    Attributes:
        block: bytes a block.
        blocks, free: how many there are, and free of them; the part kept for root is free too.
        clean: it was unmounted, and has no errors noted.
        label: of the volume.
    """

    block: int
    blocks: int
    free: int
    clean: bool
    label: str

    @property
    def free_bytes(self) -> int:
        """Bytes in free blocks."""
        return self.free * self.block


def read_super(file: BinaryIO, offset: int) -> Superblock | None:
    """The superblock of the partition at `offset` bytes; None when there is no ext2, ext3 or ext4."""
    file.seek(offset + SUPERBLOCK_OFFSET)
    raw = file.read(1024)
    if len(raw) < 1024 or struct.unpack_from("<H", raw, 0x38)[0] != MAGIC:
        return None
    _, blocks, _, free, _, _, size = struct.unpack_from("<7I", raw)
    state = struct.unpack_from("<H", raw, 0x3A)[0]
    incompatible = struct.unpack_from("<I", raw, 0x60)[0]
    if incompatible & WIDE:
        blocks |= struct.unpack_from("<I", raw, 0x150)[0] << 32
        free |= struct.unpack_from("<I", raw, 0x158)[0] << 32
    clean = bool(state & 1) and not state & 2 and not incompatible & RECOVER
    label = raw[0x78:0x88].split(b"\0")[0].decode("utf-8", "replace")
    return Superblock(1024 << size, blocks, free, clean, label)
