"""A .zip as other packers write it: with bits in its headers that Python knows of and cannot follow."""

from __future__ import annotations

import io
import zipfile

ENCRYPTED = (6, b"\x01\0")
"""Where the flags lie in a file's header, and the one for encryption (APPNOTE.TXT, 4.3.7 and 4.4.4)."""


def altered_zip(name: str, at: int, value: bytes) -> bytes:
    """A .zip of one file with bytes of both of its headers changed; `at` counts in the local one."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, bytes(100))
    whole = bytearray(packed.getvalue())
    for start in (at, whole.index(b"PK\x01\x02") + at + 2):
        whole[start : start + len(value)] = value
    return bytes(whole)
