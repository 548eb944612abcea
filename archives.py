"""Archives that strangers made: what goes wrong when one is read."""

from __future__ import annotations

import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import FerEdgeError

UNREADABLE = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError),
    *(RuntimeError, ValueError, OverflowError, struct.error),
)
"""What the standard library's readers raise for an archive that is damaged, encrypted (RuntimeError) or packed in a way
that they do not know (NotImplementedError, which is one)."""
KNOWN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
ENCRYPTED = 1
"""General purpose bit of a file in a .zip (APPNOTE.TXT, 4.4.4)."""


class Unreadable(Exception):
    """An archive that cannot be read; the message is the end of a sentence."""


@contextmanager
def reading() -> Iterator[None]:
    """Whatever a reader of archives raises within, as Unreadable; an OSError of the disk stays what it is."""
    try:
        yield
    except FerEdgeError:
        raise
    except UNREADABLE as error:
        raise Unreadable(str(error) or "it ends in the middle") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise Unreadable(str(error)) from None  # gzip's and bz2's own


def check_member(member: zipfile.ZipInfo) -> None:
    """Raises Unreadable for a file in a .zip that Python cannot unpack, before the rest of it is."""
    if member.flag_bits & ENCRYPTED:
        raise Unreadable(f"{member.filename} is encrypted")
    if member.compress_type not in KNOWN:
        name = {9: "Deflate64, as Windows packs large files"}.get(
            member.compress_type, f"method {member.compress_type}"
        )
        raise Unreadable(f"{member.filename} is packed in a way that is not known here: {name}")
