"""Releases on a kiosk: folders named by their content, one of which is current; as packaging/install.sh makes them."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import InputError, OutputError, UsageError
from ...files import fsync, sha256_of

HOME = Path("opt/fer-edge")
"""Below the root of the system."""
MAX_RELEASES = 3
"""Releases that stay: the current one, the one before, and one more."""
HASHES = "hashes"
"""A release's list of what its files were when it was unpacked, as sha256sum writes it."""
LOCK = "FER_EDGE_UPDATE_LOCK"
"""Tells install.sh the descriptor by which it holds our lock; a killed update's installer goes on holding it."""


class Releases:
    """Those of one system."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.root, self.home = root, root / HOME
        self.folder = self.home / "releases"
        self.lock: int | None = None

    def current(self) -> str:
        """The name of the release that runs; raises InputError when there is none."""
        try:
            name = Path(os.readlink(self.home / "current")).name
        except OSError as error:
            raise InputError(
                f"no fer-edge is installed in {self.home}",
                cause="this machine was not set up by install.sh, or the path is wrong",
                hint="cd PAYLOAD && sudo ./install.sh",
            ) from error
        if not self.is_whole(name):
            raise InputError(f"the release {name} in {self.home} is not whole", hint=f"ls {self.folder}")
        return name

    def points_at(self) -> str:
        """The name that the link `current` says, whole or not; empty without a link."""
        link = self.home / "current"
        return Path(os.readlink(link)).name if link.is_symlink() else ""

    def is_whole(self, name: str) -> bool:
        """Whether it was unpacked to its end."""
        return (self.folder / name / "complete").is_file()

    def damaged(self, name: str, below: tuple[str, ...] = ("",)) -> str:
        """The first file of a release, below these of its folders, that is not what was unpacked; empty: none is."""
        place = self.folder / name
        try:
            lines = (place / HASHES).read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return ""  # of an install.sh that made none
        for digest, _, file in (line.partition("  ") for line in lines):
            if os.path.normpath(file).startswith(below) and not _is(place / file, digest):
                return os.path.normpath(file)
        return "" if lines else HASHES

    def remove(self, name: str) -> None:
        """Remove a release or what is left of one; raises OutputError."""
        try:
            shutil.rmtree(self.folder / name)
        except OSError as error:
            raise _cannot_write(self.folder / name, error) from error

    def remove_ruins(self) -> None:
        """Remove what an update or an installation that was cut off, or did not fit, left among the releases."""
        links = self._linked()
        for path in self.folder.iterdir() if self.folder.is_dir() else ():
            if path.name not in links and not (re.fullmatch("[0-9a-f]{16}", path.name) and self.is_whole(path.name)):
                self.remove(path.name)

    def switch(self, name: str) -> None:
        """Make a release the current one, in one step; the one before is remembered. Raises OutputError, InputError."""
        if not self.is_whole(name):
            raise InputError(f"there is no whole release {name} in {self.folder}", hint=f"ls {self.folder}")
        try:
            before = self.points_at()
            if before and before != name:
                self._link("previous", f"releases/{before}")
            self._link("current", f"releases/{name}")
        except OSError as error:
            raise _cannot_write(self.home, error) from error

    def remove_old(self) -> list[str]:
        """Remove what is neither current nor previous and older than the newest MAX_RELEASES; returns their names."""
        links = self._linked()
        old = sorted((p for p in self.folder.iterdir() if p.name not in links), key=lambda p: -p.stat().st_mtime)
        for path in old[max(0, MAX_RELEASES - len(links)) :]:
            shutil.rmtree(path)
        return [path.name for path in old[max(0, MAX_RELEASES - len(links)) :]]

    def require_room(self, size: int, folder: Path | None = None) -> None:
        """Raises OutputError when fewer bytes are free, in our own folder or another one."""
        free = shutil.disk_usage(folder or self.home).free
        if free < size:
            raise OutputError(
                f"there is no room for the update: {size >> 20} MiB are needed, {free >> 20} MiB are free",
                cause="old releases, recordings or logs fill the card",
                hint=f"du -xsh {self.folder}/* /var/lib/fer-edge/*",
            )

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock; raises UsageError while another update runs."""
        import fcntl  # not on Windows, where no kiosk is

        try:
            lock = os.open(self.home / "update.lock", os.O_RDWR | os.O_CREAT, 0o600)
            os.fchmod(lock, 0o600)  # who may open it may hold it; it was readable once
        except OSError as error:
            raise _cannot_write(self.home, error) from error
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(
                    "another update is running", cause="only one at a time", hint="fer-edge update status"
                ) from None
            try:
                self.lock = lock
                yield
            finally:
                self.lock = None
        finally:
            os.close(lock)

    def _linked(self) -> set[str]:
        links = (self.home / "current", self.home / "previous")
        return {Path(os.readlink(path)).name for path in links if path.is_symlink()}

    def _link(self, name: str, target: str) -> None:
        beside = self.home / f"{name}.new"
        beside.unlink(missing_ok=True)
        os.symlink(target, beside)
        os.replace(beside, self.home / name)
        fsync(self.home)


def _cannot_write(home: Path, error: OSError) -> OutputError:
    return OutputError(
        f"cannot write {home}: {error.strerror or error}",
        cause="the card is read-only, or this is not root",
        hint="sudo fer-edge update",
    )


PLACES = {
    "fer-edge": Path("usr/local/bin/fer-edge"),
    "fer-edge.service": Path("etc/systemd/system/fer-edge.service"),
    "fer-edge-settle.service": Path("etc/systemd/system/fer-edge-settle.service"),
    "settle.sh": HOME / "settle.sh",
    "60-fer-edge.rules": Path("etc/udev/rules.d/60-fer-edge.rules"),
    "modules-load.conf": Path("etc/modules-load.d/fer-edge.conf"),
}
"""As packaging/install.sh puts them; it keeps a copy of each in the release's folder `system`."""


def put_in_place(release: Path, root: Path) -> None:
    """Put a release's own copies into place; one that was installed before copies were kept has none.

    By a link and a rename, which need no room, unless they are on different file systems. Raises OSError.
    """
    for name, place in PLACES.items():
        kept, target = release / "system" / name, root / place
        if kept.is_file() and not (target.is_file() and target.read_bytes() == kept.read_bytes()):
            target.parent.mkdir(parents=True, exist_ok=True)
            beside = target.with_name(f"{target.name}.back")
            beside.unlink(missing_ok=True)
            try:
                os.link(kept, beside)
            except OSError:
                shutil.copy(kept, beside)
            os.replace(beside, target)
    os.sync()


def _is(path: Path, digest: str) -> bool:
    try:
        return sha256_of(path) == digest
    except OSError:
        return False  # it is gone, or its blocks cannot be read
