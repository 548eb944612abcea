"""What an image is: its partitions, system, architecture, Python, C library, room, and its way through a first boot."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....errors import InputError
from ..ext4.filesystem import Ext4
from ..ext4.superblock import read_super
from ..fat.boot_sector import looks_like_fat, read_boot_sector
from ..fat.filesystem import Fat
from ..options import OnProgress, silent
from .partition_copy import mend, partition_copy
from .partitions import Partition, read_table
from .system import architecture, c_library, first_boot, os_release, python_version
from .unpack import packing, unpack

BOARDS = {"raspberrypi": "a Raspberry Pi", "jetson": "a Jetson", "debian": "a board that boots Debian"}


@dataclass(frozen=True)
class Probed:
    """One image, as its own contents say.

    Attributes:
        partitions: all of them, in the order of their numbers.
        boot: the first FAT; None without one.
        root: the ext4 that has /etc/os-release.
        os_id, os_version, codename: of os-release, such as debian, 12, bookworm.
        architecture: aarch64, armv7l, x86_64, as `uname -m` has it, of the programs, not of the kernel.
        python: such as 3.11; empty without one.
        glibc: such as 2.36; empty where it could not be told.
        first_boot: cloud-init, firstrun, jetson or none.
        free_boot, free_root: bytes; free_boot is 0 without `boot`.
        board: raspberrypi, jetson or debian.
        size: bytes of the image.
    """

    partitions: tuple[Partition, ...]
    boot: Partition | None
    root: Partition
    os_id: str
    os_version: str
    codename: str
    architecture: str
    python: str
    glibc: str
    first_boot: str
    free_boot: int
    free_root: int
    board: str
    size: int

    def words(self) -> str:
        """One line for people."""
        name = f"{self.os_id} {self.os_version}" + (f" ({self.codename})" if self.codename else "")
        parts = [name, self.architecture, f"Python {self.python or 'missing'}", f"glibc {self.glibc or 'unknown'}"]
        return ", ".join([*parts, f"for {BOARDS[self.board]}", f"first boot by {self.first_boot}"])

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        names = ("board", "os_id", "os_version", "codename", "architecture", "python", "glibc", "first_boot")
        figures = {name: getattr(self, name) for name in (*names, "free_boot", "free_root", "size")}
        partitions = [{"number": p.number, "start": p.start, "size": p.size, "kind": p.kind} for p in self.partitions]
        return {**figures, "partitions": partitions}


def probe(image: Path) -> Probed:
    """Find out what an image is; nothing in it is changed.

    Raises InputError: it is no image, or has no root file system; DeviceNotFound: debugfs or mtools is not installed.
    """
    table = read_table(image)
    boot = _boot(image, table)
    root = _root(image, table)
    system = Ext4(image, root.start, root.size)
    release = os_release(system)
    firmware: list[str] = []
    free_boot = 0
    if boot is not None:
        fat = Fat(image, boot.start, boot.size)
        firmware, free_boot = list(fat.listing()), fat.free_bytes
    board = _board(system, firmware)
    return Probed(
        partitions=table,
        boot=boot,
        root=root,
        os_id=release.get("ID", ""),
        os_version=release.get("VERSION_ID", ""),
        codename=release.get("VERSION_CODENAME", ""),
        architecture=architecture(system),
        python=python_version(system),
        glibc=c_library(system),
        first_boot=first_boot(system, board),
        free_boot=free_boot,
        free_root=system.free_bytes,
        board=board,
        size=image.stat().st_size,
    )


@contextmanager
def opened_image(source: Path, sha256: str = "", on_progress: OnProgress = silent) -> Iterator[tuple[Path, Probed]]:
    """An image to look at, and what it is: itself when it is raw, else unpacked and checked in a temporary file.

    Raises InputError, MissingExtra: as `unpack`; DeviceNotFound: as `probe`.
    """
    with tempfile.TemporaryDirectory(prefix="fer-edge-") as temporary:
        image = source
        if sha256 or packing(source) != "raw":
            image = Path(temporary) / "card.img"
            unpack(source, image, sha256, on_progress)
        yield image, probe(image)


def make_clean(image: Path, probed: Probed) -> bool:
    """Carry out what the journal of an unclean root file system holds, as debugfs does not; whether that was needed."""
    with image.open("rb") as file:
        found = read_super(file, probed.root.start)
    if found is None or found.clean:
        return False
    with partition_copy(image, probed.root.start, probed.root.size, back=True) as copy:  # e2fsck knows no offset
        mend(copy)
    return True


def _boot(image: Path, table: Sequence[Partition]) -> Partition | None:
    with image.open("rb") as file:
        for partition in sorted(table, key=lambda p: p.start):
            file.seek(partition.start)
            if _can_hold_boot_files(file.read(512), partition.size):
                return partition
    return None


def _can_hold_boot_files(sector: bytes, size: int) -> bool:
    """A FAT12, as some boards keep beside the rest, is not the one to write to."""
    with suppress(InputError):
        return looks_like_fat(sector) and bool(read_boot_sector(sector, size))
    return False


def _root(image: Path, table: Sequence[Partition]) -> Partition:
    with image.open("rb") as file:
        found = [p for p in table if read_super(file, p.start) is not None]
    for partition in sorted(found, key=lambda p: -p.size):
        if Ext4(image, partition.start, partition.size).exists("/etc/os-release"):
            return partition
    kinds = ", ".join(f"{p.number}: {p.name or p.kind}" for p in table)
    raise InputError(
        f"{image} has no root file system: no ext4 partition holds /etc/os-release (it has {kinds})",
        cause="it is an installer or a recovery image, or its root file system is of another kind",
        hint=f"fdisk -l {image}",
    )


def _board(system: Ext4, firmware: Sequence[str]) -> str:
    if system.exists("/etc/nv_tegra_release"):
        return "jetson"
    names = {name.lower() for name in firmware}
    return "raspberrypi" if {"config.txt", "cmdline.txt"} <= names else "debian"
