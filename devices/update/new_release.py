"""Makes a release out of what was brought: a whole payload, or a model for the software that is there."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from ...bundle import open_bundle
from ...errors import InputError, OutputError
from ...files import fsync, sha256_of
from .releases import Releases

MARGIN = 64 << 20
"""Bytes that stay free beside a release."""
STICK_REMOVED = "the stick was pulled out, or fails"
UNPACKED_FACTOR = 4
"""What an archive unpacks to is at most so many times as large (site.tar.gz: 74 MB gave 195)."""


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


def payload_name(payload: Path) -> str:
    """The release that a payload becomes, as install.sh names it."""
    return sha256_of(payload / "SHA256SUMS")[:16]


def check_payload(payload: Path) -> None:
    """Raises InputError unless every file is what SHA256SUMS says, and nothing else is there."""
    listed = {}
    for line in (payload / "SHA256SUMS").read_text(errors="replace").splitlines():
        digest, _, name = line.partition("  ")
        listed[os.path.normpath(name)] = digest
    present = {str(p.relative_to(payload)) for p in payload.rglob("*") if p.is_file()} - {"SHA256SUMS"}
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
            f"{path} cannot be read: {error.strerror}", cause=STICK_REMOVED, hint="dmesg | tail"
        ) from error


def require_room_for(releases: Releases, payload: Path) -> None:
    """Raises OutputError when a payload that is not installed yet would not fit."""
    if releases.is_whole(payload_name(payload)):
        return
    files = [p for p in payload.rglob("*") if p.is_file()]
    releases.require_room(MARGIN + sum((UNPACKED_FACTOR if p.suffix == ".gz" else 1) * p.stat().st_size for p in files))


def install_payload(releases: Releases, payload: Path) -> None:
    """Have the payload's own install.sh unpack it and make it the current release; raises OutputError."""
    elsewhere = [] if releases.root == Path("/") else ["--root", str(releases.root)]
    done = subprocess.run(
        ["sh", str(payload / "install.sh"), "--no-start", *elsewhere], capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise OutputError(f"install.sh did not install it: {said[0] if said else 'no reason given'}")


def install_bundle(releases: Releases, brought: Path) -> str:
    """Make a release of the current software with another model, without switching to it; returns its name.

    The software's files are shared with the old release (hard links), so that only the model takes room.

    Raises BundleError kinds: the model is damaged or foreign; OutputError: no room.
    """
    bundle = open_bundle(brought)
    old = releases.folder / releases.current()
    manifest = sha256_of(bundle.folder / "bundle.json")
    name = hashlib.sha256(f"{_software(old)} {manifest}".encode()).hexdigest()[:16]
    place = releases.folder / name
    if releases.is_whole(name):
        return name
    size = sum(p.stat().st_size for p in bundle.folder.rglob("*") if p.is_file())
    releases.require_room(size + MARGIN)
    beside = releases.folder / f"{name}.new"
    shutil.rmtree(beside, ignore_errors=True)
    try:
        for part in ("site", "python", "system"):
            if (old / part).is_dir():
                shutil.copytree(old / part, beside / part, copy_function=os.link, symlinks=True)
        shutil.copytree(bundle.folder, beside / "bundle")
        (beside / "software").write_text(_software(old))
        (beside / "complete").write_text("")
        os.sync()
        shutil.rmtree(place, ignore_errors=True)
        os.replace(beside, place)
        fsync(releases.folder)
    except OSError as error:
        raise OutputError(f"cannot write {place}: {error.strerror}", hint=f"df -h {releases.home}") from error
    finally:
        with suppress(OSError):
            shutil.rmtree(beside)
    return name


def _software(release: Path) -> str:
    """The payload that a release's software came in."""
    try:
        return (release / "software").read_text().strip()
    except OSError:
        return release.name
