"""A downloaded image, unpacked: raw, xz, zstd, gzip or zip, checked while it streams."""

from __future__ import annotations

import gzip
import hashlib
import importlib
import io
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, Any

from ....errors import InputError, MissingExtra
from ....files import writing
from ..options import OnProgress, silent
from ..tools import damaged_image

BLOCK = 1 << 20
"""Bytes read at a time; a block of zeros becomes a hole of the target."""
ZSTD_BLOCK = 4096
"""Bytes given to zstd at a time: 4 of them may become 128 KiB (RFC 8878, 3.1.1.2.2), and it knows no limit."""


def packing(source: Path) -> str:
    """How a file is packed, by its first bytes: xz, zst, gz, zip, raw; raises InputError: it is empty or unreadable."""
    try:
        with source.open("rb") as file:
            head = file.read(6)
    except OSError as error:
        raise InputError(f"{source} cannot be read ({error.strerror})", hint=f"ls -l {source}") from None
    if not head:
        raise InputError(f"{source} is empty", cause="the download did not start", hint="download it again")
    known = {b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zst", b"\x1f\x8b": "gz", b"PK\x03\x04": "zip"}
    return next((name for magic, name in known.items() if head.startswith(magic)), "raw")


def unpack(source: Path, target: Path, sha256: str = "", on_progress: OnProgress = silent) -> None:
    """Unpack an image; the target appears only when all of it is there and right.

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
    with writing(target) as beside, source.open("rb") as file:
        watched = _Watched(file, packed, source.stat().st_size, on_progress)
        try:
            with beside.open("wb") as out:
                for block in _blocks(kind, watched, source):
                    plain.update(block)
                    if block.count(0) == len(block):
                        out.seek(len(block), os.SEEK_CUR)
                    else:
                        out.write(block)
                out.truncate(out.tell())
        except (EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile, _Damaged) as error:
            what = f"{source} cannot be unpacked: {str(error) or 'it ends in the middle'}"
            raise damaged_image(what, "the download was cut short or altered") from None
        watched.finish()
        found = {packed.hexdigest(), plain.hexdigest()}
        if sha256 and sha256.strip().lower() not in found:
            raise InputError(
                f"{source} has the SHA-256 {packed.hexdigest()}, not {sha256.strip().lower()}",
                cause="the download is damaged, or the checksum belongs to another file",
                hint="download it again, and copy its checksum from the same page",
            )


class _Damaged(Exception):
    """A stream that ends early, or goes on where it should not."""


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
    """The image in pieces of at most `BLOCK` bytes, or a few more of zstd."""
    if kind == "zst":
        yield from _zstd(file)
    elif kind == "zip":
        yield from _zip(file, source)
    else:
        openers: dict[str, Callable[[Any], Any]] = {"xz": lzma.open, "gz": gzip.open, "raw": io.BufferedReader}
        yield from _read(openers[kind](file))


def _read(file: Any) -> Iterator[bytes]:
    while block := file.read(BLOCK):
        yield block


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
        raise _Damaged(str(error)) from None
    if begun:
        raise _Damaged("it ends in the middle")


def _zip(file: _Watched, source: Path) -> Iterator[bytes]:
    """The one image in a zip file, as NVIDIA packs its cards."""
    with zipfile.ZipFile(file) as archive:
        images = [name for name in archive.namelist() if name.endswith(".img")]
        if len(images) != 1:
            raise InputError(
                f"{source} holds {len(images)} files that end in .img, not one",
                cause="it is not the download of a card image",
                hint=f"unzip -l {source}",
            )
        with closing(archive.open(images[0])) as member:
            yield from _read(member)
