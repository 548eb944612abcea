"""What was brought: a folder's files, whether links lead out of it, and whether it is a payload or a model bundle."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ...errors import InputError


def kind_of(brought: Path) -> str:
    """`payload` for a folder that install.sh installs, `bundle` for a model; raises InputError for anything else."""
    if (brought / "SHA256SUMS").is_file() and (brought / "install.sh").is_file():
        return "payload"
    if (brought / "bundle.json").is_file() or brought.suffix == ".zip":
        return "bundle"
    raise InputError(
        f"{brought} is neither a payload nor a model bundle",
        cause="a payload has install.sh and SHA256SUMS in it, a bundle has bundle.json",
        hint=f"ls {brought}",
    )


def files_of(folder: Path, inside: bool = False) -> tuple[str, ...]:
    """A folder's files, sorted, as paths within it with /; links to files and folders are followed.

    Args:
        inside: links may not lead out of the folder: root reads it for somebody else.

    Raises InputError: a link leads out, nowhere or in a circle, or something is no file, such as a device.
    """
    top = folder.resolve()
    return tuple(sorted(p.relative_to(folder).as_posix() for p in _walk(folder, top if inside else None)))


def _walk(folder: Path, top: Path | None) -> Iterator[Path]:
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error.strerror or error}", hint=f"ls -ld {folder}") from error
    for path in paths:
        if path.is_symlink():
            _check_link(path, folder, top)
        if path.is_dir():
            yield from _walk(path, top)
        elif path.is_file():
            yield path
        else:
            raise InputError(f"{path} is neither a file nor a folder", cause="a device, a pipe or a link to nowhere")


def _check_link(path: Path, folder: Path, top: Path | None) -> None:
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError):  # RuntimeError: a circle, before Python 3.13
        raise InputError(f"{path} is a link to nowhere", hint=f"ls -l {path}") from None
    if real.is_dir() and folder.resolve().is_relative_to(real):
        raise InputError(f"{path} is a link to a folder that it lies in", hint=f"ls -l {path}")
    if top is not None and not real.is_relative_to(top):
        raise InputError(
            f"{path} is a link that leads out of {top}",
            cause="who applies an update reads files that whoever brought it could not",
            hint=f"fer-edge update pack {top} OUT.tar  # takes what it leads to along",
        )
