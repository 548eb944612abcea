"""The archive that Linux unpacks as its first file system: cpio in the format "newc", see cpio(5)."""

from __future__ import annotations

import stat
from collections.abc import Mapping


def archive(files: Mapping[str, bytes], programs: frozenset[str] = frozenset()) -> bytes:
    """An archive of files and of the folders above them, owned by root.

    Args:
        files: content by path without a leading slash.
        programs: those of them that may be executed.
    """
    folders = {"/".join(name.split("/")[:n]) for name in files for n in range(1, name.count("/") + 1)}
    parts = [_entry(name, stat.S_IFDIR | 0o755, b"") for name in sorted(folders)]
    for name, data in files.items():
        parts.append(_entry(name, stat.S_IFREG | (0o755 if name in programs else 0o644), data))
    return b"".join([*parts, _entry("TRAILER!!!", 0, b"")])


def _entry(name: str, mode: int, data: bytes) -> bytes:
    path = name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    # inode, mode, uid, gid, links, time, size, four device numbers, length of the name, checksum
    fields = (0, mode, 0, 0, links, 0, len(data), 0, 0, 0, 0, len(path), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(head + path) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
