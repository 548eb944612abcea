"""Which published set a folder or table is, and its samples: RAF-DB, AffectNet, and FER2013's one table.

Nothing is fetched and nothing copied: bring the data that your licence gives you, unpacked as it came.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from ...errors import DatasetError
from ..labelled_files import SPLIT_WORDS, Sample
from ..labels import Naming
from ..preprocess import Image

FER2013_COLUMNS = ("emotion", "pixels", "Usage")
FER2013_SIDE = 48
RAF_LIST = "EmoLabel/list_patition_label.txt"
"""As its authors spell it."""
AFFECTNET_TABLES = {"training.csv": "train", "validation.csv": "valid"}
AFFECTNET_FOLDERS = {"train_set": "train", "val_set": "valid"}

Reader = Callable[[Naming], list[Sample]]
"""What the set's numbers mean -> its samples, those without a label among them."""


def published(root: Path) -> tuple[str, Reader] | None:
    """The published set that lies at a folder or file, named as in NUMBERED, and what reads it; None: none of these."""
    for base in (root, root / "basic"):
        if (base / RAF_LIST).is_file():
            return "raf-db", partial(_raf_db, base)
    if any((root / folder / "annotations").is_dir() for folder in AFFECTNET_FOLDERS):
        return "affectnet", partial(_affectnet_folders, root)
    if any(_begins_like(root / name, ("subDirectory_filePath", "face_x")) for name in AFFECTNET_TABLES):
        return "affectnet", partial(_affectnet_tables, root)
    table = root if root.is_file() else root / "fer2013.csv"
    if _begins_like(table, FER2013_COLUMNS):
        return "fer2013", partial(_fer2013, table)
    return None


def picture_in_table(path: Path) -> Image | None:
    """A picture that FER2013's table holds, `fer2013.csv/BYTE.row`, RGB; None where the path is no such place."""
    if path.suffix != ".row" or path.parent.suffix != ".csv":
        return None
    with path.parent.open("rb") as file:
        file.seek(int(path.stem))
        pixels = file.readline().split(b",")[1].strip(b'"').split()
    grey = np.array(pixels, np.int64)
    if len(grey) != FER2013_SIDE**2 or grey.min() < 0 or grey.max() > 255:
        raise DatasetError(f"{path} cannot be decoded", cause=f"it has not {FER2013_SIDE**2} values of 0 to 255")
    return np.repeat(grey.astype(np.uint8).reshape(FER2013_SIDE, FER2013_SIDE, 1), 3, axis=2)


def _raf_db(base: Path, naming: Naming) -> list[Sample]:
    samples = []
    for number, line in enumerate((base / RAF_LIST).read_text().splitlines(), 1):
        name, _, word = line.strip().partition(" ")
        split = SPLIT_WORDS.get(name.partition("_")[0])
        if not name:
            continue
        if split is None or not word.strip().isdecimal():
            raise DatasetError(f"{base / RAF_LIST}, line {number}: {line!r} is no name of a picture and a number")
        stem, _, suffix = name.rpartition(".")
        picture = base / "Image" / "aligned" / f"{stem}_aligned.{suffix}"
        samples.append(Sample(picture, split, naming.index(word.strip(), f"{base / RAF_LIST}, line {number}")))
    return samples


def _affectnet_folders(root: Path, naming: Naming) -> list[Sample]:
    """The smaller release: a picture a face, and its number in a file of its own."""
    samples = []
    for folder, split in AFFECTNET_FOLDERS.items():
        for note in sorted((root / folder / "annotations").glob("*_exp.npy")):
            word = str(int(np.load(note, allow_pickle=False)))
            picture = root / folder / "images" / f"{note.name.removesuffix('_exp.npy')}.jpg"
            samples.append(Sample(picture, split, naming.index(word, str(note))))
    return samples


def _affectnet_tables(root: Path, naming: Naming) -> list[Sample]:
    """The full release: a table a split, with each face's box; from number 8 on it is no expression or no face."""
    pictures = next(
        (root / n for n in ("Manually_Annotated_Images", "Manually_Annotated") if (root / n).is_dir()), root
    )
    samples = []
    for name, split in AFFECTNET_TABLES.items():
        if not (root / name).is_file():
            continue
        with (root / name).open(newline="") as file:
            for row in csv.DictReader(file):
                label = None if int(row["expression"]) > 7 else naming.index(row["expression"], str(root / name))
                if label is not None:
                    x, y, width, height = (int(float(row[f"face_{key}"])) for key in ("x", "y", "width", "height"))
                    path = pictures / row["subDirectory_filePath"]
                    samples.append(Sample(path, split, label, box=(x, y, width, height)))
    return samples


def _fer2013(table: Path, naming: Naming) -> list[Sample]:
    samples = []
    with table.open("rb") as file:
        file.readline()
        place = file.tell()
        for number, line in enumerate(file, 2):
            word, _, rest = line.decode("ascii", "replace").strip().partition(",")
            split = SPLIT_WORDS.get(rest.rpartition(",")[2].strip().casefold())
            if line.strip():
                if split is None:
                    raise DatasetError(f"{table}, line {number}: its Usage is no split of FER2013")
                label = naming.index(word, f"{table}, line {number}")
                samples.append(Sample(table / f"{place}.row", split, label))
            place += len(line)
    return samples


def _begins_like(table: Path, columns: tuple[str, ...]) -> bool:
    if not table.is_file() or table.suffix != ".csv":
        return False
    with table.open("rb") as file:
        head = file.readline().decode("utf-8", "replace").lstrip("\ufeff").strip().split(",")
    return set(columns) <= {word.strip('" ') for word in head}
