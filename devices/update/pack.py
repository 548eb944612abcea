"""One file of a payload or a bundle, for a USB stick: a plain .tar, made the same each time and unpacked with care.

What it holds is files alone. A link in the folder is packed as what it leads to; one in a .tar is refused.
"""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast

from ...archives import Unreadable, reading
from ...bundle import open_bundle
from ...errors import InputError, OutputError, UsageError
from ...files import cannot_write, writing
from .brought import files_of, kind_of
from .new_release import STICK_REMOVED, check_payload
from .signature import ENDING as SIGNATURE
from .signature import Hashed, Signed

ENDING = ".tar"
BLOCK = 4096
"""What a file takes at most beyond its size, on ext4."""


def pack(brought: Path, out: Path) -> None:
    """Put a payload or a bundle's folder into one .tar, after checking it; the same folder gives the same bytes.

    Raises:
        UsageError: `out` is not called .tar, or lies in the folder; InputError, BundleError kinds: what is wrong with
        it; OutputError: `out` cannot be written.
    """
    if out.suffix != ENDING or out.resolve().is_relative_to(brought.resolve()):
        raise UsageError(
            f"{out} has to end in .tar and to lie outside of {brought}", hint="fer-edge update pack --help"
        )
    if kind_of(brought) == "payload":
        check_payload(brought)
    else:
        brought = open_bundle(brought).folder
    names = files_of(brought)
    out.with_name(out.name + SIGNATURE).unlink(missing_ok=True)  # of what was there before
    with (
        writing(out) as temporary,
        tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT, dereference=True) as archive,
    ):
        for name in names:
            archive.add(brought / name, f"update/{name}", filter=_anonymous)


@contextmanager
def unpacked(
    brought: Path, beside: Path, require_room: Callable[[int], None], signed: Signed | None = None
) -> Iterator[Path]:
    """Give a .tar's or a .zip's folder, unpacked to `beside` and removed afterwards; anything else as it is.

    Args:
        require_room: called with the bytes that it will take; raises when they are not there.
        signed: its signature, which is verified before anything is read out of it.

    Raises:
        InputError: it is no .tar, is cut short, was not signed so, or holds anything but files within its folder;
        OutputError: no room.
    """
    if brought.suffix == ".zip" and brought.is_file():  # not into root's cache, where each would stay
        try:
            yield open_bundle(brought, beside).folder
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        return
    if brought.is_dir() or brought.suffix != ENDING:
        yield brought
        return
    shutil.rmtree(beside, ignore_errors=True)  # of one that was killed
    try:
        try:
            beside.mkdir(mode=0o700, parents=True)
        except OSError as error:
            raise cannot_write(beside, error) from error
        with _told(brought), brought.open("rb") as file:
            verified = signed.verify(file) if signed else None
            file.seek(0)
            size = _size(brought, file)
            require_room(size)
            file.seek(0)
            read = Hashed(file)
            _unpack(brought, read, beside, size)
            if verified not in (None, read.digest()):
                raise InputError(f"{brought} changed while it was read", cause=STICK_REMOVED, hint="copy it again")
        yield _top(beside)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


@contextmanager
def _told(source: Path) -> Iterator[None]:
    try:
        with reading():
            yield
    except Unreadable as error:
        cause = "it was not copied whole, or is something else"
        raise InputError(f"{source} is not a whole .tar: {error}", cause=cause, hint="copy it again") from error
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise InputError(
            f"{source} cannot be read: {error.strerror or error}", cause=STICK_REMOVED, hint="dmesg | tail"
        ) from error


def _size(source: Path, file: IO[bytes]) -> int:
    """Bytes that its files take once unpacked, each in whole blocks; a sparse one's size is not that of the archive."""
    with tarfile.open(fileobj=file, mode="r:") as archive:
        return sum(_checked(source, member).size + BLOCK for member in archive)


def _checked(source: Path, member: tarfile.TarInfo) -> tarfile.TarInfo:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or not (member.isfile() or member.isdir()):
        raise InputError(
            f"{source} holds {member.name}, which is no file within it",
            cause="it was not made by `fer-edge update pack`",
            hint="fer-edge update pack FOLDER OUT.tar",
        )
    return member


def _unpack(source: Path, read: Hashed, target: Path, size: int) -> None:
    with tarfile.open(fileobj=cast("IO[bytes]", read), mode="r|") as archive:
        for member in archive:
            size -= _checked(source, member).size + BLOCK
            if size < 0:
                raise InputError(f"{source} changed while it was read", cause=STICK_REMOVED, hint="copy it again")
            if member.isfile():
                _put(archive, member, target / member.name)


def _put(archive: tarfile.TarFile, member: tarfile.TarInfo, place: Path) -> None:
    """Owner and mode are not taken over: root unpacks this."""
    content = archive.extractfile(member)
    assert content is not None  # it is a file
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        file = place.open("wb")
    except OSError as error:
        raise cannot_write(place, error) from error
    with content, file:
        while block := content.read(1 << 20):
            try:
                file.write(block)
            except OSError as error:
                raise cannot_write(place, error) from error


def _top(folder: Path) -> Path:
    """A .tar may hold the folder or what is in it."""
    inside = list(folder.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime, entry.mode = 0, 0o644
    return entry
