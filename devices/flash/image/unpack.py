"""A downloaded image, unpacked: raw, xz, zstd, gzip or zip, checked while it streams."""

from __future__ import annotations

import gzip
import hashlib
import importlib
import io
import lzma
import os
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import IO, Any

from ....archives import Unreadable, check_member, reading
from ....errors import InputError, MissingExtra
from ....files import writing
from ..options import OnProgress, silent
from ..tools import damaged_image

BLOCK = 1 << 20
"""Bytes read at a time; a block of zeros becomes a hole of the target."""
ZSTD_BLOCK = 4096
"""Bytes given to zstd at a time: 4 of them may become 128 KiB (RFC 8878, 3.1.1.2.2), and it knows no limit."""

MAGIC = {
    "xz": rb"\xfd7zXZ\0",
    "zst": rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18",  # the second: a frame to be skipped (RFC 8878, 3.1.2)
    "gz": rb"\x1f\x8b",
    "zip": rb"PK\x03\x04",
}
"""Kind -> a pattern of a file's first bytes."""


def packing(source: Path) -> str:
    """How a file is packed, by its first bytes: xz, zst, gz, zip, raw; raises InputError: it is empty or unreadable."""
    try:
        with source.open("rb") as file:
            head = file.read(6)
    except OSError as error:
        raise InputError(f"{source} cannot be read ({error.strerror})", hint=f"ls -l {source}") from None
    if not head:
        raise InputError(f"{source} is empty", cause="the download did not start", hint="download it again")
    return next((kind for kind, magic in MAGIC.items() if re.match(magic, head, re.DOTALL)), "raw")


def unpack(source: Path, target: Path, sha256: str = "", on_progress: OnProgress = silent) -> None:
    """Unpack an image; the target appears only when all of it is there and right, for its user alone to read.

    Args:
        sha256: what either the file or the image in it must have, as publishers give the one or the other; in hex.
        on_progress: called with bytes of the source.

    Raises:
        InputError: cut short, corrupt, another checksum than given, or not a file.
        OutputError: the target cannot be written, or the disk is full.
        MissingExtra: a zstd file, and no zstandard to open it.
    """
    kind = packing(source)
    packed, plain = hashlib.sha256(), hashlib.sha256()
    with writing(target, private=True) as beside, source.open("rb") as file:
        watched = _Watched(file, packed, source.stat().st_size, on_progress)
        with beside.open("wb") as out:
            for block in _blocks(kind, watched, source):
                plain.update(block)
                if block.count(0) == len(block):
                    out.seek(len(block), os.SEEK_CUR)
                else:
                    out.write(block)
            out.truncate(out.tell())
        watched.finish()
        found = {packed.hexdigest(), plain.hexdigest()}
        if sha256 and sha256.strip().lower() not in found:
            raise InputError(
                f"{source} has the SHA-256 {packed.hexdigest()}, not {sha256.strip().lower()}",
                cause="the download is damaged, or the checksum belongs to another file",
                hint="download it again, and copy its checksum from the same page",
            )


class _Watched(io.RawIOBase):
    """The source, hashed and counted while it is read from front to back; zip seeks, and is hashed at the end."""

    def __init__(self, file: IO[bytes], digest: Any, total: int, on_progress: OnProgress) -> None:
        self.file, self.digest, self.total, self.on_progress = file, digest, total, on_progress
        self.hashed = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def readinto(self, buffer: Any) -> int:
        at = self.file.tell()
        block = self.file.read(len(buffer))
        buffer[: len(block)] = block
        fresh = block[self.hashed - at :] if at <= self.hashed else b""
        self.digest.update(fresh)
        self.hashed += len(fresh)
        self.on_progress(self.file.tell(), self.total)
        return len(block)

    def finish(self) -> None:
        """Hash what nobody had to read."""
        self.file.seek(self.hashed)
        while block := self.file.read(BLOCK):
            self.digest.update(block)
        self.on_progress(self.total, self.total)


def _blocks(kind: str, file: _Watched, source: Path) -> Iterator[bytes]:
    """The image in pieces of at most `BLOCK` bytes, or a few more of zstd; raises InputError."""
    try:
        with reading():
            if kind == "zip":
                yield from _zip(file, source)
            else:
                yield from READERS[kind](file)
    except Unreadable as error:
        raise damaged_image(f"{source} cannot be unpacked: {error}", "the download was cut short or altered") from None


def _read(file: Any) -> Iterator[bytes]:
    while block := file.read(BLOCK):
        yield block


def _gz(file: _Watched) -> Iterator[bytes]:
    with gzip.open(file) as plain:
        yield from _read(plain)


def _xz(file: _Watched) -> Iterator[bytes]:
    """Streams one after the other, with padding behind each: Python's own reader ends at it, or fails."""
    data = file.read(BLOCK)
    while data:
        stream = lzma.LZMADecompressor(lzma.FORMAT_XZ)
        while True:
            yield stream.decompress(data, BLOCK)
            if stream.eof:
                break
            data = file.read(BLOCK) if stream.needs_input else b""
            if stream.needs_input and not data:
                raise EOFError
        data = _after_padding(file, stream.unused_data)


def _after_padding(file: _Watched, data: bytes) -> bytes:
    """What follows the zeros behind an xz stream; empty at the end. They come in fours (The .xz File Format, 2.2)."""
    zeros = 0
    while True:
        rest = data.lstrip(b"\0")
        zeros += len(data) - len(rest)
        if rest or not (data := file.read(BLOCK)):
            break
    if zeros % 4:
        raise lzma.LZMAError("its padding is not whole")
    return rest


def _zstd(file: _Watched) -> Iterator[bytes]:
    """Frames one after the other; zstandard's own reader takes one that is cut short for complete."""
    try:
        module = importlib.import_module("zstandard")
    except ImportError:
        raise MissingExtra("zstandard", "flash") from None
    stream, begun = module.ZstdDecompressor().decompressobj(), False
    waiting = b""
    try:
        while data := waiting or file.read(ZSTD_BLOCK):
            waiting, begun = b"", True
            if plain := stream.decompress(data):
                yield plain
            if stream.eof:
                waiting, begun = stream.unused_data, False
                stream = module.ZstdDecompressor().decompressobj()
    except module.ZstdError as error:
        raise Unreadable(str(error)) from None
    if begun:
        raise EOFError


def _zip(file: _Watched, source: Path) -> Iterator[bytes]:
    """The one image in a zip file, as NVIDIA packs its cards."""
    with zipfile.ZipFile(file) as archive:
        images = [member for member in archive.infolist() if _is_image(member.filename)]
        if len(images) != 1:
            raise InputError(
                f"{source} holds {len(images)} files that end in .img, not one",
                cause="it is not the download of a card image",
                hint=f"unzip -l {source}",
            )
        try:
            check_member(images[0])
        except Unreadable as error:
            raise InputError(
                f"{source} cannot be unpacked: {error}",
                cause="it was packed by somebody else than the image's publisher",
                hint=f"unzip {source}  # then the same command with the file that this gives",
            ) from None
        with closing(archive.open(images[0])) as member:
            yield from _read(member)


def _is_image(name: str) -> bool:
    """Whether a file in a .zip is one; macOS puts another beside each, with what its own file system knows of it."""
    path = PurePosixPath(name)
    return path.suffix.lower() == ".img" and not path.name.startswith("._") and "__MACOSX" not in path.parts


READERS: dict[str, Callable[[_Watched], Iterator[bytes]]] = {
    "xz": _xz,
    "zst": _zstd,
    "gz": _gz,
    "raw": _read,
}
