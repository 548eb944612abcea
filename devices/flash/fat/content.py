"""What is in the clusters of a FAT file: read and written, as many clusters at once as lie together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from ....errors import InputError
from .layout import Layout

PIECE = 1 << 20
"""Bytes copied at a time, at most."""


def pieces(file: BinaryIO, offset: int, layout: Layout, chain: Sequence[int], size: int) -> Iterator[bytes]:
    """A file's content in pieces.

    Args:
        offset: of the file system in `file`, bytes.
        chain: the file's clusters.
        size: its bytes.

    Raises:
        InputError: the chain is too short for the size.
    """
    left = size
    for _, first, count in _runs(chain, layout.cluster):
        file.seek(offset + layout.at(first))
        piece = file.read(min(left, count * layout.cluster))
        left -= len(piece)
        yield piece
    if left:
        raise InputError(
            "a file of the boot partition is shorter than its folder says",
            cause="the image is damaged",
            hint="download the image again, and give its checksum with --sha256",
        )


def fill(file: BinaryIO, offset: int, layout: Layout, chain: Sequence[int], content: bytes | Path) -> None:
    """Write content into the clusters of a chain; what is left of the last one becomes zeros.

    Raises:
        InputError: a file that is copied shrank meanwhile.
    """
    if isinstance(content, bytes):
        for at, first, count in _runs(chain, layout.cluster):
            _put(file, offset, layout, first, count, content[at : at + count * layout.cluster])
        return
    with content.open("rb") as source:
        for _, first, count in _runs(chain, layout.cluster):
            piece = source.read(count * layout.cluster)
            if len(piece) <= (count - 1) * layout.cluster:
                raise InputError(f"{content} changed while it was copied", hint="the same command again")
            _put(file, offset, layout, first, count, piece)


def _put(file: BinaryIO, offset: int, layout: Layout, first: int, count: int, piece: bytes) -> None:
    file.seek(offset + layout.at(first))
    file.write(piece.ljust(count * layout.cluster, b"\0"))


def _runs(chain: Sequence[int], cluster: int) -> Iterator[tuple[int, int, int]]:
    """Clusters that lie together: the place of their content in the file, the first one, how many."""
    start = 0
    for i in range(1, len(chain) + 1):
        if i == len(chain) or chain[i] != chain[i - 1] + 1 or (i - start) * cluster >= PIECE:
            yield start * cluster, chain[start], i - start
            start = i
