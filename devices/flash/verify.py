"""A finished image, read back: every path compared, both file systems checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ...errors import GateFailed, InputError
from ...files import sha256_of
from .apply import open_boot
from .changes import Change, MakeFolder, MakeLink, Place, last_ones
from .ext4.filesystem import Ext4
from .fat.filesystem import Fat
from .image.probe import Probed, probe

RECEIPT = 1
"""Version of the receipt's form."""


@dataclass(frozen=True)
class Expected:
    """One path.

    Attributes:
        kind: file, folder or link.
        sha256: of a file; empty where only its presence and mode are compared.
        target: of a link.
        mode, owner, group: of a file in the root file system; a folder that was there keeps its own.
        secret: its content is not to be known from a receipt.
    """

    place: Place
    path: str
    kind: str
    sha256: str = ""
    target: str = ""
    mode: int = 0
    owner: int = 0
    group: int = 0
    secret: bool = False


@dataclass(frozen=True)
class Receipt:
    """What `flash` writes beside an image, so that it can be checked again later.

    Attributes:
        image: SHA-256 of the whole image; size: its bytes.
        facts: for people: device, source, route, versions.
        paths: everything that was put in.
    """

    image: str
    size: int
    facts: dict[str, str]
    paths: tuple[Expected, ...]

    def to_json(self) -> str:
        """As text; of a secret file without its checksum, which would let somebody try out what it holds."""
        rows = [{**asdict(p), "place": p.place.value, **({"sha256": ""} if p.secret else {})} for p in self.paths]
        return json.dumps({"receipt": RECEIPT, **asdict(self), "paths": rows}, indent=1) + "\n"


def expected(changes: Iterable[Change]) -> tuple[Expected, ...]:
    """What must be there when all changes are done; raises as `expand` does."""
    found = []
    for change in last_ones(changes).values():
        if isinstance(change, MakeFolder):
            found.append(Expected(change.place, change.path, "folder"))
        elif isinstance(change, MakeLink):
            found.append(Expected(change.place, change.path, "link", target=change.target))
        else:
            own = (change.mode, change.owner, change.group)
            found.append(
                Expected(change.place, change.path, "file", _digest(change.content), "", *own, secret=change.secret)
            )
    return tuple(found)


def receipt_path(image: Path) -> Path:
    """Where an image's receipt lies."""
    return image.with_name(image.name + ".json")


def read_receipt(path: Path) -> Receipt:
    """Read a receipt; raises InputError when it is none."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data.pop("receipt") != RECEIPT:
            raise ValueError("another version")
        paths = tuple(Expected(**{**row, "place": Place(row["place"])}) for row in data.pop("paths"))
        return Receipt(paths=paths, **data)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is no receipt of a flashed image ({error})",
            cause="the image was made without it, or the file was moved",
            hint="fer-edge flash --help",
        ) from None


def _digest(content: bytes | Path) -> str:
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    return sha256_of(content)


def verify(image: Path, probed: Probed, paths: Sequence[Expected]) -> int:
    """Read everything back from an image and check both file systems; how many paths were compared.

    Raises:
        GateFailed: something differs, or a file system is not whole; the first few are named.
        DeviceNotFound: e2fsck, debugfs, mtools or fsck.vfat is not installed.
    """
    wrong: list[str] = []
    if probed.boot is not None:
        fat = open_boot(image, probed)
        on_boot = [path for path in paths if path.place is Place.BOOT]
        wrong += [f"{p.path} of the boot partition differs" for p in on_boot if not _same_on_fat(fat, p)]
        wrong += [f"boot partition: {line}" for line in fat.check()[:2]]
    system = Ext4(image, probed.root.start, probed.root.size)
    wrong += _differ_on_ext4(system, [path for path in paths if path.place is Place.ROOT])
    wrong += [f"root file system: {line}" for line in system.check()[:3]]
    if wrong:
        raise GateFailed(
            f"the image is not what was asked for: {'; '.join(wrong[:3])}" + (" …" if len(wrong) > 3 else ""),
            cause="the disk of this computer, somebody who changed the image since, or a bug of ours",
            hint="make the image again",
        )
    return len(paths)


@dataclass(frozen=True)
class Checked:
    """A card that is as its receipt says.

    Attributes:
        paths: how many were compared.
        untouched: not a byte of the image differs; one that has booted, or was edited, does.
    """

    paths: int
    untouched: bool


def check_card(image: Path) -> Checked:
    """Hold a finished image against the receipt beside it; raises as `verify`, and InputError without a receipt."""
    receipt = read_receipt(receipt_path(image))
    count = verify(image, probe(image), receipt.paths)
    return Checked(count, sha256_of(image) == receipt.image)


def _same_on_fat(fat: Fat, path: Expected) -> bool:
    if path.kind == "folder" or not fat.exists(path.path) or fat.is_folder(path.path):
        return path.kind == "folder" and fat.is_folder(path.path)
    return not path.sha256 or fat.digest(path.path) == path.sha256


def _differ_on_ext4(system: Ext4, paths: Sequence[Expected]) -> list[str]:
    places = {path.path: system.beside(path.path) for path in paths}
    digests = system.digests([places[path.path] for path in paths if path.sha256])
    wrong = [path for path in paths if not _same_on_ext4(system, path, places[path.path], digests)]
    return [f"{path.path} of the root file system differs" for path in wrong]


def _same_on_ext4(system: Ext4, path: Expected, place: str, digests: dict[str, str]) -> bool:
    node = system.node(place)
    if path.kind == "folder":
        return system.listing(system.real(place)) is not None
    if node is None or node.folder:
        return False
    if path.kind == "link":
        return node.link and system.target(place) == path.target
    own = (path.mode, path.owner, path.group)
    same = not node.link and (node.mode & 0o7777, node.owner, node.group) == own
    return same and (not path.sha256 or digests.get(place) == path.sha256)
