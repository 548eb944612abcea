"""A bundle that comes as one .zip: only what its manifest lists is unpacked, and not more than such a file can hold."""

from __future__ import annotations

import shutil
import stat
import zipfile
from collections import Counter
from pathlib import Path, PurePosixPath

from ...archives import Unreadable, reading
from ...errors import BundleDamaged
from ...files import writing_folder
from ..manifest import CARD, MANIFEST, Manifest
from .check import check_files, damaged, is_inside

MAX_MANIFEST = 1 << 20
"""Bytes; the longest we wrote has 24 kB."""
SMALL, MAX_RATIO = 64 << 20, 20
"""What is unpacked may take so many bytes, or so many times what the .zip has; weights hardly shrink."""


def has_manifest(archive: Path) -> bool:
    """Whether a .zip has a manifest at its top; raises BundleDamaged when it cannot be read."""
    try:
        with reading(), zipfile.ZipFile(archive) as zipped:
            return MANIFEST in zipped.namelist()
    except (OSError, Unreadable) as error:
        raise damaged(archive, f"is not a readable .zip ({error})") from None


def unpack(archive: Path, folder: Path) -> None:
    """Make `folder` the bundle that a .zip holds, or leave nothing.

    Raises:
        BundleDamaged, BundleSchemaError: what is in it is refused; OutputError: there is no room for it.
    """
    try:
        with reading(), zipfile.ZipFile(archive) as zipped:
            entries = _entries(archive, zipped)
            if entries[MANIFEST].file_size > MAX_MANIFEST:
                raise damaged(archive, f"has a {MANIFEST} of {entries[MANIFEST].file_size} bytes")
            manifest = Manifest.from_json(zipped.read(MANIFEST).decode())
            names = {MANIFEST, CARD, *(name for artifact in manifest.artifacts for name in artifact.files)}
            wanted = [entries[name] for name in sorted(names & set(entries))]
            _check_sizes(archive, wanted)
            with writing_folder(folder) as temporary:
                for entry in wanted:
                    _put(zipped, entry, temporary / entry.filename)
                for artifact in manifest.artifacts:
                    check_files(temporary, artifact, shown=archive)
    except (OSError, Unreadable) as error:
        raise damaged(archive, f"is not a readable .zip ({error})") from None


def _entries(archive: Path, zipped: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The files in it by name; refuses what two systems would unpack to two things."""
    entries = [entry for entry in zipped.infolist() if not entry.is_dir()]
    counts = Counter(entry.filename.casefold() for entry in entries)
    folders = {str(folder).casefold() for entry in entries for folder in PurePosixPath(entry.filename).parents}
    for entry in entries:
        name = entry.filename
        if not is_inside(name) or "\\" in name:
            raise damaged(archive, "holds a path that leads outside the bundle")
        if counts[name.casefold()] > 1 or name.casefold() in folders:
            raise damaged(archive, f"holds {name} twice, or in small and in capital letters")
        if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
            raise _odd(archive, f"holds {name} as a link, not as a file")
        if entry.flag_bits & 0x1:
            raise _odd(archive, "is encrypted")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _odd(archive, "is packed in a way that is not taken here (deflate is)")
    return {entry.filename: entry for entry in entries}


def _check_sizes(archive: Path, wanted: list[zipfile.ZipInfo]) -> None:
    """zipfile reads no more of an entry than its stated size, so one that lies is cut off and found altered."""
    size, most = sum(entry.file_size for entry in wanted), max(SMALL, MAX_RATIO * archive.stat().st_size)
    if size > most:
        raise damaged(archive, f"would unpack to {size >> 20} MiB, more than a bundle of its size holds")


def _put(zipped: zipfile.ZipFile, entry: zipfile.ZipInfo, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with zipped.open(entry) as packed, place.open("xb") as file:
        shutil.copyfileobj(packed, file, 1 << 20)


def _odd(archive: Path, what: str) -> BundleDamaged:
    return BundleDamaged(
        f"{archive} {what}",
        cause="it was not made as a bundle's .zip is",
        hint="cd BUNDLE && zip -r ../bundle.zip .  # without -y or -e",
    )
