"""Where the partitions of a card image are: MBR and GPT, read from its first sectors."""

from __future__ import annotations

import struct
import uuid
import zlib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from ....errors import InputError
from ..tools import damaged_image

SECTOR = 512
PROTECTIVE = 0xEE
EXTENDED = (0x05, 0x0F, 0x85)
MBR_ROW = struct.Struct("<B3sB3sII")
"""State, first CHS, type, last CHS, first sector, sectors; four of them from byte 446 on."""
GPT_HEAD = struct.Struct("<8sIIIIQQQQ16sQIII")
"""UEFI specification 2.10, table 5.5: signature, revision, size, CRC, reserved, own sector, the other's, first and last
usable sector, disk, sector of the rows, number of rows, their size, their CRC."""
GPT_ROW = struct.Struct("<16s16sQQQ72s")
"""UEFI specification 2.10, table 5.6: type, identity, first and last sector, attributes, name in UTF-16."""
FOREIGN = {
    b"\xfd7zXZ\0": "an xz file",
    b"\x1f\x8b": "a gzip file",
    b"\x28\xb5\x2f\xfd": "a zstd file",
    b"PK\x03\x04": "a zip file",
    b"BZh": "a bzip2 file, which bunzip2 unpacks",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive, which 7z x unpacks",
    b"Rar!": "a rar archive",
    b"\x7fELF": "a program",
    b"QFI\xfb": "a qcow2 disk, which qemu-img convert -O raw turns into an image",
}


@dataclass(frozen=True)
class Partition:
    """One partition.

    Attributes:
        number: from 1, as in the name of its device node.
        start, size: bytes, from the image's first byte.
        kind: type as the table has it: two hex digits of an MBR, a small GUID of a GPT.
        name: of a GPT; empty in an MBR, which has none.
    """

    number: int
    start: int
    size: int
    kind: str
    name: str = ""

    @property
    def end(self) -> int:
        """The first byte after it."""
        return self.start + self.size


def read_table(image: Path) -> tuple[Partition, ...]:
    """The partitions of an image, in the order of their numbers.

    Raises InputError: it cannot be read, has no partition table, or ends before its last partition does.
    """
    try:
        with image.open("rb") as file:
            first = file.read(SECTOR)
            if len(first) < SECTOR or first[510:512] != b"\x55\xaa":
                raise _no_image(image, first)
            protective = any(row[2] == PROTECTIVE for row in mbr_rows(first))
            found = _gpt(image, file) if protective else _mbr(first)
    except OSError as error:
        raise InputError(f"{image} cannot be read ({error.strerror})", hint=f"ls -l {image}") from None
    _check(image, found)
    return tuple(found)


def mbr_rows(sector: bytes | bytearray) -> list[tuple[int, bytes, int, bytes, int, int]]:
    """The four rows of an MBR."""
    return [MBR_ROW.unpack_from(sector, 446 + 16 * i) for i in range(4)]


def read_gpt(file: BinaryIO, sector: int = 1) -> tuple[list[int | bytes], bytes]:
    """A GPT's header as its fields, and its rows as they lie there; raises ValueError for a wrong signature or sum."""
    file.seek(sector * SECTOR)
    raw = file.read(SECTOR)
    if len(raw) < SECTOR or raw[:8] != b"EFI PART":
        raise ValueError("there is no GPT header")
    fields = list(GPT_HEAD.unpack_from(raw))
    length = fields[2]
    if not 92 <= length <= SECTOR or zlib.crc32(raw[:16] + bytes(4) + raw[20:length]) != fields[3]:
        raise ValueError("the GPT header's checksum is wrong")
    if fields[12] < GPT_ROW.size or fields[11] > 1024:
        raise ValueError("the GPT header has impossible sizes")
    file.seek(fields[10] * SECTOR)
    rows = file.read(fields[11] * fields[12])
    if zlib.crc32(rows) != fields[13]:
        raise ValueError("the checksum of the GPT's rows is wrong")
    return fields, rows


def _mbr(sector: bytes) -> list[Partition]:
    rows = [(n, *row) for n, row in enumerate(mbr_rows(sector), 1) if row[2] and row[2] not in EXTENDED and row[5]]
    return [Partition(n, first * SECTOR, size * SECTOR, f"{kind:02x}") for n, _, _, kind, _, first, size in rows]


def _gpt(image: Path, file: BinaryIO) -> list[Partition]:
    try:
        fields, rows = read_gpt(file)
    except ValueError as error:
        what = f"{image} has a damaged partition table: {error}"
        raise damaged_image(what, "the download was cut short or altered") from None
    found = []
    size = int(fields[12])
    for number, at in enumerate(range(0, len(rows), size), 1):
        kind, _, first, last, _, name = GPT_ROW.unpack_from(rows, at)
        if any(kind):
            text = name.decode("utf-16-le", "replace").split("\0")[0]
            guid = str(uuid.UUID(bytes_le=kind))
            found.append(Partition(number, first * SECTOR, (last - first + 1) * SECTOR, guid, text))
    return found


def _check(image: Path, found: list[Partition]) -> None:
    if not found:
        raise InputError(
            f"{image} has an empty partition table",
            cause="it is the image of one partition, or of an empty disk",
            hint=f"fdisk -l {image}",
        )
    size = image.stat().st_size
    last = max(found, key=lambda p: p.end)
    if last.end > size or last.size <= 0:
        what = f"{image} ends at byte {size}, its partition {last.number} at byte {last.end}"
        raise damaged_image(what, "the image was cut short")
    places = sorted(found, key=lambda p: p.start)
    for one, other in pairwise(places):
        if other.start < one.end:
            raise InputError(
                f"partitions {one.number} and {other.number} of {image} overlap",
                cause="the partition table is damaged",
                hint=f"fdisk -l {image}",
            )


def _no_image(image: Path, first: bytes) -> InputError:
    what = next((words for magic, words in FOREIGN.items() if first.startswith(magic)), "")
    return InputError(
        f"{image} is no card image: it has no partition table",
        cause=f"it is {what}" if what else "it is some other file, or an error page saved by the browser",
        hint=f"file {image}",
    )
