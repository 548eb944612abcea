"""FAT16 and FAT32 inside an image: listed, read and changed by mtools, checked by fsck.vfat; no root, no mounting."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ....errors import FerEdgeError, InputError, OutputError, UsageError
from ....files import cannot_write, sha256_of
from ..image.partition_copy import partition_copy
from ..tools import run_tool
from .boot_sector import MIN_FAT32, damaged, read_boot_sector

MAX_FILE = (1 << 32) - 1
"""Bytes of a file: its size has 32 bits."""
FORBIDDEN = frozenset('"*/:<>?\\|[]') | {chr(i) for i in range(32)} | {"\x7f"}
"""What FAT takes in no name, and the brackets, which mtools takes for a pattern."""
FULL = ("Disk full", "No free cluster", "No directory slots", "could not allocate", "No Dir slots")
"""How mtools says that there is no room."""
TIMEOUT_S = 600.0
"""A damaged table can lead mtools in a circle; the largest file, 200 MB, is copied within seconds."""


class Fat:
    """One FAT file system in an image. Work on a copy: nothing here is safe against a power cut.

    Paths are absolute, `/` between names; case does not matter. A file that takes another's place keeps the old name.
    """

    def __init__(self, image: Path, offset: int, size: int) -> None:
        """Read the boot sector; raises InputError when it is no FAT16 or FAT32, or one that mtools cannot read.

        Args:
            offset, size: of the partition, bytes.
        """
        self.image, self.offset, self.size = image, offset, size
        with image.open("rb") as file:
            file.seek(offset)
            sector = read_boot_sector(file.read(512), size)
        if sector.fat32 and sector.clusters < MIN_FAT32:
            raise damaged(f"has a FAT32 of {sector.clusters} clusters, which mtools takes for a FAT16")
        self.cluster = sector.cluster
        self._folders: dict[str, dict[str, bool]] = {}

    @property
    def free_bytes(self) -> int:
        """Bytes in free clusters."""
        last = self._read("mdir", ["-a", "::/"]).strip().splitlines()[-1:]
        digits = "".join(c for c in "".join(last) if c.isdigit())
        if not last or not last[0].endswith("bytes free") or not digits:
            raise damaged("does not tell its free room")
        return int(digits)

    def listing(self, path: str = "/") -> dict[str, bool]:
        """Names in a folder, and whether each is a folder; raises InputError when there is no such folder."""
        place = self._real(path)
        if place not in self._folders:
            if place is None or not self.is_folder(path):
                raise _missing(path, "no folder")
            rows = self._read("mdir", ["-b", "-a", f"::{place}"]).splitlines()
            names = [row.removeprefix("::").removeprefix(place).lstrip("/") for row in rows]
            self._folders[place] = {name.rstrip("/"): name.endswith("/") for name in names if name}
        return self._folders[place]

    def exists(self, path: str) -> bool:
        """Whether there is a file or folder."""
        return self._real(path) is not None

    def is_folder(self, path: str) -> bool:
        """Whether there is a folder."""
        place = self._real(path)
        folder, _, name = (place or "").rpartition("/")
        return place == "/" or (place is not None and self.listing(folder or "/")[name])

    def read(self, path: str) -> bytes:
        """A file's content; raises InputError when there is no such file."""
        with self._extracted(path) as copy:
            return copy.read_bytes()

    def digest(self, path: str) -> str:
        """SHA-256 of a file, in hex, without holding it in memory; raises InputError when there is no such file."""
        with self._extracted(path) as copy:
            return sha256_of(copy)

    def write(self, path: str, content: bytes | Path) -> None:
        """Make a file of bytes or of a file of this machine, or put them into one; missing folders are made.

        Raises:
            OutputError: the partition or a folder is full.
            UsageError: a name that FAT does not take, or the name of a folder.
        """
        folder, _, name = path.rpartition("/")
        _check_name(name)
        self.make_folder(folder or "/")
        if self.is_folder(path):
            raise UsageError(f"{path} of the boot partition is a folder", hint="give the file another name")
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        if size > MAX_FILE:
            raise UsageError(f"{path} has {size} bytes, more than a file on FAT can have", hint="use --direct")
        if not self.exists(path) and size > self.free_bytes:  # what a file replaces becomes free
            raise _full()
        place = self._real(path) or f"{(self._real(folder or '/') or '').rstrip('/')}/{name}"
        with tempfile.TemporaryDirectory(prefix="fer-edge-") as scratch:
            source = Path(scratch) / "content"
            if isinstance(content, bytes):
                source.touch(mode=0o600)
                source.write_bytes(content)
            else:
                source = content.absolute()
            self._change("mcopy", ["-D", "o", str(source), f"::{place}"])

    def make_folder(self, path: str) -> None:
        """Make a folder when it is missing, with those above it; raises as `write` does."""
        made = ""
        for name in [name for name in path.split("/") if name]:
            place = self._real(f"{made}/{name}")
            if place is None:
                _check_name(name)
                place = f"{made}/{name}"
                self._change("mmd", [f"::{place}"])
            elif not self.is_folder(place):
                raise UsageError(
                    f"{name} in {path} of the boot partition is a file", hint="give the folder another name"
                )
            made = place

    def check(self) -> list[str]:
        """What fsck.vfat says is wrong, of a copy beside the image; raises DeviceNotFound without it, OutputError."""
        try:
            with partition_copy(self.image, self.offset, self.size, back=False) as copy:
                done = run_tool("fsck.vfat", ["-n", copy.name], copy.parent)
        except OSError as error:
            if isinstance(error, FerEdgeError):
                raise
            raise cannot_write(self.image, error) from error
        lines = done.stdout.decode("utf-8", "replace").splitlines()
        return [line.strip() for line in lines[1:]] if done.returncode else []

    def _real(self, path: str) -> str | None:
        """A path as its names are written on the partition; None when there is nothing."""
        found = ""
        for name in [name for name in path.split("/") if name]:
            if found and not self.is_folder(found):
                return None
            names = {known.lower(): known for known in self.listing(found or "/")}
            if name.lower() not in names:
                return None
            found = f"{found}/{names[name.lower()]}"
        return found or "/"

    @contextmanager
    def _extracted(self, path: str) -> Iterator[Path]:
        place = self._real(path)
        if place is None or self.is_folder(path):
            raise _missing(path, "no file")
        with tempfile.TemporaryDirectory(prefix="fer-edge-") as scratch:
            self._read("mcopy", [f"::{place}", f"{scratch}/content"])
            yield Path(scratch) / "content"

    def _read(self, tool: str, arguments: list[str]) -> str:
        """Run a reading program of mtools; it may exit with 0 and yet complain of damage."""
        done = self._run(tool, arguments)
        if done.returncode or done.stderr.strip():
            said = done.stderr.decode("utf-8", "replace").strip().splitlines() or [f"exit code {done.returncode}"]
            raise damaged(f"cannot be read by {tool}: {said[0]}")
        return done.stdout.decode("utf-8", "replace")

    def _change(self, tool: str, arguments: list[str]) -> None:
        self._folders.clear()
        done = self._run(tool, arguments)
        said = done.stderr.decode("utf-8", "replace").strip()
        if any(word in said for word in FULL):
            raise _full()
        if done.returncode or said:
            raise damaged(f"cannot be changed by {tool}: {(said or f'exit code {done.returncode}').splitlines()[0]}")

    def _run(self, tool: str, arguments: list[str]) -> subprocess.CompletedProcess[bytes]:
        with tempfile.TemporaryDirectory(prefix="fer-edge-") as folder:
            (Path(folder) / "image").symlink_to(self.image.absolute())  # its own name may hold an `@`
            where = ["-i", f"image@@{self.offset}"]
            try:
                return run_tool(tool, [*where, *arguments], Path(folder), TIMEOUT_S)
            except subprocess.TimeoutExpired:
                raise damaged(f"keeps {tool} busy for {TIMEOUT_S:g} s") from None


def _check_name(name: str) -> None:
    """Raises UsageError for a name that FAT does not take."""
    wrong = FORBIDDEN & set(name)
    if not name or wrong or name != name.rstrip(" .") or len(name.encode("utf-16-le")) > 510:
        raise UsageError(
            f"{name!r} is no name for a file on FAT",
            cause=f"it holds {' '.join(sorted(wrong))}"
            if wrong
            else "it is empty, too long, or ends in a dot or space",
            hint="rename the file",
        )


def _full() -> OutputError:
    return OutputError(
        "the boot partition, or a folder of it, is full",
        cause="this image has a small boot partition",
        hint="the same command with --direct, which writes into the root file system instead",
    )


def _missing(path: str, what: str) -> InputError:
    return InputError(f"there is {what} {path} on the boot partition", hint="the same command with --dry-run")
