"""Makes a release out of what was brought: a whole payload, or a model for the software that is there."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ...bundle import open_bundle
from ...errors import InputError, OutputError
from ...files import sha256_of, writing_folder
from .brought import files_of
from .releases import HASHES, LOCK, Releases

MARGIN = 64 << 20
"""Bytes that stay free beside a release."""
STICK_REMOVED = "the stick was pulled out, or fails"
SOFTWARE = ("site", "python", "system")
"""A release's folders beside the model's."""
UNPACKED_FACTOR = 4
"""What an archive unpacks to is mostly less than so many times as large (site.tar.gz: 74 MB gave 195)."""


def payload_name(payload: Path) -> str:
    """The release that a payload becomes, as install.sh names it."""
    return sha256_of(payload / "SHA256SUMS")[:16]


def check_payload(payload: Path) -> None:
    """Raises InputError unless every file is what SHA256SUMS says, and nothing else is there."""
    listed = {}
    for line in (payload / "SHA256SUMS").read_text(errors="replace").splitlines():
        digest, _, name = line.partition("  ")
        listed[os.path.normpath(name)] = digest
    present = {*files_of(payload)} - {"SHA256SUMS"}
    for name in sorted(present ^ set(listed)):
        what = "is missing" if name in listed else "is not in SHA256SUMS"
        raise InputError(f"{payload / name} {what}", cause="the payload was not copied whole", hint="copy it again")
    for name, digest in listed.items():
        if _digest(payload / name) != digest:
            cause = "the payload was damaged on its way, or changed"
            raise InputError(f"{payload / name} is not what SHA256SUMS says", cause=cause, hint="copy it again")


def _digest(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror or error}", cause=STICK_REMOVED, hint="dmesg | tail"
        ) from error


def require_room_for(releases: Releases, payload: Path) -> None:
    """Raises OutputError when a payload that is not installed yet would not fit."""
    if releases.is_whole(payload_name(payload)):
        return
    files = [payload / name for name in files_of(payload)]
    releases.require_room(MARGIN + sum(_unpacked_size(path) for path in files))


def _unpacked_size(path: Path) -> int:
    """Bytes of what a file unpacks to: the size that a .gz has at its end (RFC 1952), which is that modulo 4 GiB."""
    size = path.stat().st_size
    if path.suffix != ".gz":
        return size
    with path.open("rb") as file:
        if size < 18 or file.read(2) != b"\x1f\x8b":
            return UNPACKED_FACTOR * size
        file.seek(-4, os.SEEK_END)
        return max(UNPACKED_FACTOR * size, int.from_bytes(file.read(4), "little"))


def install_payload(releases: Releases, payload: Path) -> None:
    """Have the payload's own install.sh unpack it and make it the current release; raises OutputError."""
    elsewhere = [] if releases.root == Path("/") else ["--root", str(releases.root)]
    command = ["sh", str(payload / "install.sh"), "--no-start", *elsewhere]
    lock = () if releases.lock is None else (releases.lock,)
    surroundings = {**os.environ, **({LOCK: str(lock[0])} if lock else {})}
    done = subprocess.run(command, capture_output=True, text=True, check=False, pass_fds=lock, env=surroundings)
    if done.returncode:
        releases.remove_ruins()
        said = (done.stderr or done.stdout).strip().splitlines()
        raise OutputError(f"install.sh did not install it: {said[0] if said else 'no reason given'}")


def install_bundle(releases: Releases, brought: Path) -> str:
    """Make a release of the current software with another model, without switching to it; returns its name.

    The software's files are shared with the old release (hard links), so that only the model takes room.

    Raises BundleError kinds: the model is damaged or foreign; InputError: the software that is there is damaged;
    OutputError: no room.
    """
    bundle = open_bundle(brought)
    files = files_of(bundle.folder, inside=True)
    current = releases.current()
    old = releases.folder / current
    manifest = sha256_of(bundle.folder / "bundle.json")
    name = hashlib.sha256(f"{_software(old)} {manifest}".encode()).hexdigest()[:16]
    if releases.is_whole(name) and not releases.damaged(name):
        return name
    if file := releases.damaged(current, SOFTWARE):
        raise InputError(
            f"{old / file} is not what was installed",
            cause="the card is damaged, and with it the software that a model would share",
            hint="fer-edge update apply PAYLOAD.tar",
        )
    releases.require_room(sum((bundle.folder / file).stat().st_size for file in files) + MARGIN)
    with writing_folder(releases.folder / name) as beside:
        for part in SOFTWARE:
            if (old / part).is_dir():
                shutil.copytree(old / part, beside / part, copy_function=os.link, symlinks=True)
        for file in files:
            _copy(bundle.folder / file, beside / "bundle" / file)
        (beside / "software").write_text(_software(old))
        (beside / HASHES).write_text(_hashes(old, beside, files))
        (beside / "complete").write_text("")
    return name


def _copy(source: Path, target: Path) -> None:
    """For everybody to read, as the kiosk is another user."""
    for folder in reversed([p for p in target.parents if not p.exists()]):
        folder.mkdir()
        folder.chmod(0o755)
    shutil.copyfile(source, target)
    target.chmod(0o644)


def _hashes(old: Path, new: Path, files: Sequence[str]) -> str:
    """The old release's list for the software, if it has one, and the new one's own for its model."""
    lines = (old / HASHES).read_text().splitlines() if (old / HASHES).is_file() else []
    shared = [line for line in lines if line.partition("  ./")[2].startswith(SOFTWARE)]
    models = [f"{sha256_of(new / 'bundle' / file)}  ./bundle/{file}" for file in files]
    return "".join(f"{line}\n" for line in (*shared, *models))


def _software(release: Path) -> str:
    """The payload that a release's software came in."""
    try:
        return (release / "software").read_text().strip()
    except OSError:
        return release.name
