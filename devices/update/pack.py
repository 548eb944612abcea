"""One file of a payload or a bundle, for a USB stick: a plain .tar, made the same each time and unpacked with care."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from ...bundle import open_bundle
from ...errors import InputError, UsageError
from ...files import cannot_write, writing
from .new_release import STICK_REMOVED, check_payload, kind_of

ENDING = ".tar"


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
    with writing(out) as temporary, tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(p for p in brought.rglob("*") if p.is_file()):
            archive.add(path, str(PurePosixPath("update", path.relative_to(brought).as_posix())), filter=_anonymous)


@contextmanager
def unpacked(brought: Path, beside: Path, require_room: Callable[[int], None]) -> Iterator[Path]:
    """Give a .tar's or a .zip's folder, unpacked to `beside` and removed afterwards; anything else as it is.

    Args:
        require_room: called with the bytes that it will take; raises when they are not there.

    Raises:
        InputError: it is no .tar, is cut short, or holds anything but files within its folder; OutputError: no room.
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
    require_room(brought.stat().st_size)
    try:
        beside.mkdir(mode=0o700, parents=True)
        try:
            _unpack(brought, beside)
        except tarfile.TarError as error:
            cause = "it was not copied whole, or is something else"
            raise InputError(f"{brought} is not a whole .tar: {error}", cause=cause, hint="copy it again") from error
        yield _top(beside)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _unpack(source: Path, target: Path) -> None:
    with tarfile.open(source, "r:") as archive:
        for member in archive:
            name = PurePosixPath(member.name)
            if name.is_absolute() or ".." in name.parts or not (member.isfile() or member.isdir()):
                raise InputError(
                    f"{source} holds {member.name}, which is no file within it",
                    cause="it was not made by `fer-edge update pack`",
                    hint="fer-edge update pack FOLDER OUT.tar",
                )
            if member.isfile():
                _put(archive, member, target / name)


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
        while block := _read(content, member.name):
            try:
                file.write(block)
            except OSError as error:
                raise cannot_write(place, error) from error


def _read(content: IO[bytes], name: str) -> bytes:
    try:
        return content.read(1 << 20)
    except OSError as error:
        raise InputError(
            f"{name} cannot be read: {error.strerror}", cause=STICK_REMOVED, hint="dmesg | tail"
        ) from error


def _top(folder: Path) -> Path:
    """A .tar may hold the folder or what is in it."""
    inside = list(folder.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime, entry.mode = 0, 0o644
    return entry
