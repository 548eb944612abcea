"""What must be at each path of a finished image: told by the changes, kept in a receipt, compared when read back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from ...errors import InputError
from ...files import sha256_of
from .changes import Change, MakeFolder, MakeLink, Place
from .expand import last_ones

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
