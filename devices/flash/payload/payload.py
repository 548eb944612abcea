"""The payload: the folder that packaging/install.sh installs, put together on this computer for a board's Python."""

from __future__ import annotations

import gzip
import io
import shutil
import tarfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from ....archives import Unreadable, reading
from ....errors import InputError
from ....files import sha256_of, write_text, writing, writing_folder
from ....runtime.storage.schema import VERSION
from ...update.store import SCHEMA
from .own_python import check_python
from .wheel_closure import FETCH
from .wheels import Wheelhouse

FILES = (
    "install.sh", "fer-edge.service", "60-fer-edge.rules", "modules-load.conf",
    "first-boot.sh", "fer-edge-first-boot.service", "settle.sh", "fer-edge-settle.service",
)  # fmt: skip


def packaging_folder() -> Path:
    """packaging/, in a checkout and in an installed wheel alike; raises InputError when it is not there."""
    folder = Path(__file__).resolve().parents[3] / "packaging"
    if not all((folder / name).is_file() for name in FILES):
        raise InputError(
            f"{folder} is not complete",
            cause="the installation is damaged",
            hint="install fer-edge again from where it came",
        )
    return folder


def build_payload(
    wheelhouse: Wheelhouse,
    bundle: Path,
    config_toml: str,
    packaging: Path,
    into: Path,
    python_archive: Path | None = None,
    models: Iterable[Path] = (),
) -> Path:
    """Write the payload into a new folder, which takes the place of one that is there; the folder.

    The same inputs give the same bytes, so that installing it again changes nothing.

    Args:
        bundle: a bundle's folder.
        config_toml: the kiosk's configuration; empty: none.
        python_archive: a relocatable Python where the board's own is too old: a .tar.gz of one folder with bin/python3.
        models: files of face detectors.

    Raises:
        InputError: the bundle, a wheel or the Python is not what it should be.
        OutputError: the folder cannot be written.
    """
    if not (bundle / "bundle.json").is_file():
        raise InputError(f"{bundle} is no bundle's folder", hint="fer-edge bundle show")
    if python_archive is not None:
        check_python(python_archive, wheelhouse.target)
    with writing_folder(into) as folder:
        for name in FILES:
            _copy(packaging / name, folder / name)
        shutil.copytree(bundle, folder / "bundle", copy_function=shutil.copyfile)
        if config_toml:
            write_text(folder / "config.toml", config_toml)
        if python_archive is not None:
            shutil.copyfile(python_archive, folder / "python.tar.gz")
        for model in models:
            (folder / "models").mkdir(exist_ok=True)
            shutil.copyfile(model, folder / "models" / model.name)
        with writing(folder / "site.tar.gz") as part:
            write_site(wheelhouse.wheels, part)
        write_text(folder / SCHEMA, f"{VERSION}\n")
        write_text(folder / "SHA256SUMS", sums(folder))
    return into


def sums(folder: Path) -> str:
    """SHA256SUMS over every file of a folder but itself, as `sha256sum --check` reads it."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "SHA256SUMS")
    return "".join(f"{sha256_of(path)}  ./{path.relative_to(folder).as_posix()}\n" for path in files)


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    target.chmod(0o755 if source.suffix == ".sh" else 0o644)


LEVEL = 6
"""Of gzip: 9 takes three times as long for 1 % less."""


def write_site(wheels: Sequence[Path], target: Path) -> None:
    """Write a .tar.gz with every wheel's files; raises InputError for what is no wheel or leads out of it.

    Times are zero, owners root, order is that of the names, so that equal wheels give equal bytes.
    """
    with (
        target.open("wb") as raw,
        gzip.GzipFile("", "wb", LEVEL, raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for wheel in wheels:
            _add(wheel, tar)


def _add(wheel: Path, tar: tarfile.TarFile) -> None:
    try:
        with reading(), zipfile.ZipFile(wheel) as archive:
            for item in sorted(archive.infolist(), key=lambda i: i.filename):
                place = _place(item.filename, wheel)
                if item.is_dir() or place is None:
                    continue
                content = archive.read(item)
                entry = tarfile.TarInfo(place)
                entry.size = len(content)
                entry.mode = 0o755 if item.external_attr >> 16 & 0o111 else 0o644
                tar.addfile(entry, io.BytesIO(content))
    except (OSError, Unreadable) as error:
        raise InputError(f"{wheel} is no wheel: {error}", hint=FETCH) from None


def _place(name: str, wheel: Path) -> str | None:
    """Where a wheel's file goes; None for scripts and headers, which nobody uses on a board (PEP 427, "Spreading")."""
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or name.startswith("/") or "\\" in name:
        raise InputError(f"{wheel} has a file {name!r}, which leads out of it", hint=FETCH)
    if parts[0].endswith(".data"):
        return "/".join(parts[2:]) if parts[1] in ("purelib", "platlib") and len(parts) > 2 else None
    return "/".join(parts)
