"""A file system taken out of its image, for the programs that know no offset, and put back."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ..tools import damaged_image, run_tool

BLOCK = 1 << 20


@contextmanager
def partition_copy(image: Path, offset: int, size: int, back: bool) -> Iterator[Path]:
    """A copy of one partition in a file beside the image, with holes where there are zeros.

    Args:
        offset, size: of the partition, bytes.
        back: whether it is put back afterwards, as long as it then is.
    """
    handle, name = tempfile.mkstemp(prefix=".fer-edge-", suffix=".part", dir=image.parent)
    os.close(handle)
    copy = Path(name)
    try:
        with image.open("rb") as source, copy.open("r+b") as target:
            source.seek(offset)
            _copy(source, target, size)
            target.truncate(size)
        yield copy
        if back:
            with copy.open("rb") as source, image.open("r+b") as target:
                target.seek(offset)
                _put_back(source, target)
    finally:
        copy.unlink()


def mend(system: Path) -> None:
    """`e2fsck -fy` of a file system in a file of its own, also for the journal; raises InputError, DeviceNotFound."""
    done = run_tool("e2fsck", ["-f", "-y", system.name], system.parent)
    if done.returncode & ~3:  # 1 and 2: all was mended (e2fsck(8), "Exit code")
        raise damaged_image(f"the root file system cannot be mended: {_last(done.stdout) or _last(done.stderr)}")


def _last(text: bytes) -> str:
    lines = [line for line in text.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


def _copy(source: BinaryIO, target: BinaryIO, size: int) -> None:
    left = size
    while left and (block := source.read(min(BLOCK, left))):
        left -= len(block)
        if block.count(0) == len(block):
            target.seek(len(block), os.SEEK_CUR)
        else:
            target.write(block)


def _put_back(source: BinaryIO, target: BinaryIO) -> None:
    """Only what differs is written, so that holes of the image stay holes."""
    while block := source.read(BLOCK):
        at = target.tell()
        if target.read(len(block)) != block:
            target.seek(at)
            target.write(block)
