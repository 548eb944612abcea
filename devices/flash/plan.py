"""What will be done to an image: which way, and whether it can be, said before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import InputError, OutputError
from .changes import Change, MakeFolder, MakeLink, Place, Single, UnpackTree, WriteFile, expand, size_of
from .image.probe import BOARDS, Probed

ROUTES = {
    "cloud-init": "cloud-init of the image starts the first boot",
    "firstrun": "systemd of the image runs firstrun.sh once",
    "direct": "everything is written into the root file system",
    "jetson": "everything is written into the root file system, the user as NVIDIA's script does",
}
KINDS = {WriteFile: "file", MakeFolder: "folder", MakeLink: "link", UnpackTree: "tree"}
KNOWN_RELEASES = ("bookworm", "trixie")
"""Releases of Raspberry Pi OS whose first boot we know."""
MIN_PYTHON = (3, 10)
"""As pyproject.toml has it."""
BLOCK = {Place.BOOT: 32768, Place.ROOT: 4096}
"""Bytes that the smallest file takes, at most: the largest cluster of a FAT, the usual block of ext4."""
SPARE = 2 << 20
"""Bytes for folders and for what the board writes before its file system has grown."""


@dataclass(frozen=True)
class Plan:
    """What will be done.

    Attributes:
        route: cloud-init, firstrun, direct or jetson.
        grow: bytes the image will have; 0 to leave it.
        changes: in their order.
    """

    probed: Probed
    route: str
    changes: tuple[Change, ...]
    grow: int = 0

    def needed(self, place: Place) -> int:
        """Bytes that the changes take in one file system; what they replace is not taken off."""
        block = BLOCK[place]
        sizes = [_size(single) for single in expand(self.changes) if single.place is place]
        return sum(-(-size // block) * block for size in sizes) + (SPARE if sizes else 0)

    def to_json(self) -> dict[str, Any]:
        """For `--dry-run --json`; secret contents do not appear."""
        return {
            "image": self.probed.to_json(),
            "route": self.route,
            "grow": self.grow,
            "needed": {place.value: self.needed(place) for place in Place},
            "changes": [_row(change) for change in self.changes],
        }

    def lines(self) -> list[str]:
        """For `--dry-run`: a table for people."""
        rows = [_row(change) for change in self.changes]
        width = max((len(str(row["path"])) for row in rows), default=0)
        lines = [f"image: {self.probed.words()}", f"way: {self.route}: {ROUTES[self.route]}"]
        lines += [f"grow: to {self.grow / 1e9:.2f} GB"] if self.grow else []
        for place, free in ((Place.BOOT, self.probed.free_boot), (Place.ROOT, self.probed.free_root)):
            lines.append(f"{place.value}: {self.needed(place) / 1e6:.1f} MB of {free / 1e6:.1f} MB free")
        for row in rows:
            size = f"{row['size'] / 1e3:10.1f} kB" if "size" in row else " " * 13
            note = " (secret)" if row.get("secret") else ""
            text = f"{row['place']:4} {row['what']:6} {row['path']:{width}} {row.get('mode', ''):>4} {size}"
            lines.append(f"{text}  {row['why']}{note}".rstrip())
        return lines


def choose_route(probed: Probed, board: str, direct: bool) -> str:
    """Which way an image is set up.

    Args:
        board: which one the device needs, of `BOARDS`; empty for any.
        direct: write into the root file system, with nothing left to do at the first boot.

    Raises:
        InputError: wrong board, wrong architecture, no Python that fits, a first boot that we do not know.
    """
    _check_architecture(probed)
    if board and probed.board != board:
        raise InputError(
            f"the image is for {BOARDS[probed.board]}, the device is {BOARDS[board]}",
            cause="another image was downloaded than the device needs",
            hint="fer-edge devices",
        )
    if probed.board == "jetson":
        return "jetson"
    _check_python(probed)
    if direct:
        return "direct"
    if probed.first_boot == "none" or (probed.board == "raspberrypi" and probed.codename not in KNOWN_RELEASES):
        raise _unknown(probed)
    return probed.first_boot


def check_room(plan: Plan) -> None:
    """Whether the changes fit; raises OutputError with what helps: growing the image, or the other way of doing it."""
    probed = plan.probed
    need = plan.needed(Place.BOOT)
    if need > probed.free_boot and probed.boot is not None:
        raise OutputError(
            f"the boot partition is too full: {need / 1e6:.1f} MB needed, {probed.free_boot / 1e6:.1f} MB free",
            cause="this image has a small boot partition",
            hint="the same command with --direct, which writes into the root file system instead",
        )
    need, free = plan.needed(Place.ROOT), probed.free_root + max(0, plan.grow - probed.size)
    if need > free:
        size = -(-(probed.size + 2 * need) // 10**9)
        raise OutputError(
            f"the image is too small: {need / 1e6:.1f} MB needed in its root file system, {free / 1e6:.1f} MB free",
            cause="card images come with little room, and grow on the board at their first boot",
            hint=f"the same command with --grow {size}G",
        )


def _check_architecture(probed: Probed) -> None:
    if probed.architecture == "armv7l":
        raise InputError(
            "the image is 32 bit: its programs are for armv7l, fer-edge needs aarch64",
            cause="Raspberry Pi OS comes in both; a 64 bit kernel does not change its programs",
            hint="download Raspberry Pi OS Lite (64-bit)",
        )
    if probed.architecture != "aarch64":
        raise InputError(
            f"the image is for another processor: {probed.architecture}, not aarch64",
            cause="it was made for a PC or another board",
            hint="download the 64 bit Arm image of your board",
        )


def _check_python(probed: Probed) -> None:
    version = tuple(int(part) for part in probed.python.split(".")) if probed.python else ()
    if version < MIN_PYTHON:
        raise InputError(
            f"the image has {f'Python {probed.python}' if version else 'no Python'}, fer-edge needs 3.10 or newer",
            cause="the release is old, or a minimal one without python3",
            hint="download an image of Debian 12 (bookworm) or newer",
        )


def _unknown(probed: Probed) -> InputError:
    name = f"{probed.os_id} {probed.os_version}" + (f" ({probed.codename})" if probed.codename else "")
    if probed.board == "raspberrypi":
        what = f"how this image sets itself up at its first boot is not known: {name}, {probed.first_boot}"
        cause = (
            "it is older than bookworm, newer than trixie, or changed by somebody; a wrong guess would fail silently"
        )
    else:
        what = f"{name} sets nothing up at its first boot"
        cause = "only Raspberry Pi OS does so from its boot partition"
    return InputError(what, cause=cause, hint="the same command with --direct")


def _size(single: Single) -> int:
    """A folder takes a block, a link nothing beyond its entry."""
    return size_of(single) if isinstance(single, WriteFile) else 0 if isinstance(single, MakeLink) else 1


def _row(change: Change) -> Mapping[str, Any]:
    what = KINDS[type(change)]
    row: dict[str, Any] = {"place": change.place.value, "what": what, "path": change.path, "why": change.why}
    if isinstance(change, WriteFile):
        row |= {"size": size_of(change), "secret": change.secret, "owner": change.owner, "group": change.group}
        row |= {"mode": f"{change.mode:04o}"}
    elif isinstance(change, MakeLink):
        row["target"] = change.target
    elif isinstance(change, UnpackTree):
        files = [s for s in expand([change]) if isinstance(s, WriteFile)]
        row |= {"files": len(files), "size": sum(size_of(f) for f in files)}
    else:
        row |= {"mode": f"{change.mode:04o}", "owner": change.owner, "group": change.group}
    return row
