"""Ready-made artifacts of the bundles that ship: the wheel `fer-edge-models`, and what of it is on this machine.

The wheel is data alone. What is in it is trusted by `ready_made.csv`, which `make models-wheel` writes: the hash of
every file that this release was tested with, the manifests' included.
"""

from __future__ import annotations

import csv
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError
from ...files import locked
from ..bundle import (
    Bundle,
    add_artifacts,
    added_bundle,
    default_bundle,
    describe_file,
    open_bundle,
    same_model,
    save_bundle,
)
from ..manifest import CARD, MANIFEST, Artifact, Manifest

TABLE = Path(__file__).parents[1] / "ready_made.csv"
PACKAGE = "fer_edge_models"
"""The folder inside the wheel; below it one a bundle, each with a bundle.json and the files by their paths in it."""


@dataclass(frozen=True)
class Row:
    """One file of the wheel: the bundle it belongs to, its path inside that, its hash and its bytes."""

    bundle: str
    path: str
    sha256: str
    size: int


def read_table(table: Path) -> tuple[Row, ...]:
    """What the wheel of this release holds."""
    with table.open(encoding="utf-8", newline="") as file:
        return tuple(Row(r["bundle"], r["path"], r["sha256"], int(r["size"])) for r in csv.DictReader(file))


def ready_made(made: Path, name: str) -> list[Artifact]:
    """The artifacts of a made bundle of which the bundle of that name, as it ships, has none."""
    there = {a.kind for a in open_bundle(default_bundle(name)).manifest.artifacts}
    manifest = Manifest.from_json((made / MANIFEST).read_text(encoding="utf-8"))
    return [a for a in manifest.artifacts if a.kind not in there]


def add_wheel(wheel: Path) -> list[Bundle]:
    """Put a wheel's artifacts into copies of the bundles that ship, which stand in for these from then on.

    Every file is held against TABLE, and the models against those that ship, before anything is written.

    Raises:
        InputError: no such wheel, another release's, or one of other weights; OutputError: the cache cannot be written.
    """
    rows = read_table(TABLE)
    names = sorted({row.bundle for row in rows})
    with tempfile.TemporaryDirectory(prefix="fer-edge-models-") as folder:
        _unpack(wheel, rows, Path(folder))
        for name in names:
            if not same_model(Path(folder, name), default_bundle(name)):
                raise _refused(wheel, f"its artifacts of {name} were made from other weights than the model that ships")
        return [_add(Path(folder, name), name) for name in names]


def _unpack(wheel: Path, rows: Sequence[Row], folder: Path) -> None:
    """The files that the table names, each with its hash, as folder/BUNDLE/PATH; nothing else is looked at."""
    try:
        with zipfile.ZipFile(wheel) as zipped:
            for row in rows:
                place = folder / row.bundle / row.path
                place.parent.mkdir(parents=True, exist_ok=True)
                with zipped.open(f"{PACKAGE}/{row.bundle}/{row.path}") as packed, place.open("wb") as file:
                    shutil.copyfileobj(packed, file)
                if describe_file(place) != (row.sha256, row.size):
                    raise _refused(wheel, f"{row.bundle}/{row.path} has other bytes than this release was tested with")
    except KeyError as error:
        raise _refused(wheel, f"it lacks what this release was tested with ({error.args[0]})") from None
    except (OSError, EOFError, zipfile.BadZipFile, zipfile.zlib.error) as error:  # type: ignore[attr-defined]
        raise _refused(wheel, f"it cannot be read ({error})") from None


def _add(made: Path, name: str) -> Bundle:
    """The copy of a shipped bundle with an unpacked one's artifacts, made anew, whatever befell an older one."""
    place, shipped = added_bundle(name), open_bundle(default_bundle(name))
    with locked(place.with_name(f"{name}.adding")):  # add_artifacts locks the folder itself
        shutil.rmtree(place, ignore_errors=True)
        files = [CARD, *(path for a in shipped.manifest.artifacts for path in a.files)]
        save_bundle(place, shipped.manifest, {path: shipped.folder / path for path in files})
        more = ready_made(made, name)
        return add_artifacts(place, more, {path: made / path for a in more for path in a.files})


def _refused(wheel: Path, why: str) -> InputError:
    return InputError(f"{wheel} was not added: {why}", hint="make models-wheel  # in the checkout of this release")
