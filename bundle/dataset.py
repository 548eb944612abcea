"""Reading labelled faces: folders named after labels, or a CSV manifest."""

from __future__ import annotations

import csv
import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DatasetError
from .labels import LABELS
from .preprocess import Image

SUFFIXES = (".jpg", ".jpeg", ".png")
SPLITS = ("train", "valid", "test")
Watch = Callable[..., Iterable[Any]]
"""Wraps a loop to show its progress: (iterable, total=, desc=) -> the same items."""


def unwatched(loop: Iterable[Any], total: int | None = None, desc: str = "") -> Iterable[Any]:
    """The Watch that shows nothing."""
    return loop


@dataclass(frozen=True)
class Sample:
    """One labelled face.

    Attributes:
        path: the picture's file.
        split: train, valid or test.
        label: index into LABELS, or None where the taggers did not agree.
        second: index of another label column, or None.
        votes: taggers' votes for each label, or empty.
        content: SHA-256 of the decoded picture; equal for copies, whatever their file format.
    """

    path: Path
    split: str
    label: int | None
    second: int | None = None
    votes: tuple[float, ...] = ()
    content: str = ""


@dataclass(frozen=True)
class Dataset:
    """Labelled faces that could be read, and what was left out."""

    samples: tuple[Sample, ...]
    unreadable: tuple[Path, ...] = ()
    second_label: str = ""

    def split(self, name: str) -> tuple[Sample, ...]:
        """The samples of one split."""
        return tuple(s for s in self.samples if s.split == name)

    def digest(self) -> str:
        """SHA-256 over every picture's content, split and labels, in a fixed order: what a metrics file refers to."""
        total = hashlib.sha256()
        for sample in sorted(self.samples, key=lambda s: (s.content, s.split, str(s.path))):
            total.update(f"{sample.content} {sample.split} {sample.label} {sample.second} {sample.votes}".encode())
        return total.hexdigest()


def read_dataset(root: Path, second_label: str = "", seed: int = 42, watch: Watch = unwatched) -> Dataset:
    """Read a folder of labelled faces and check that every picture decodes.

    Three layouts are understood: `manifest.csv` with `path,split,label` and, if present, one vote column a label and
    further label columns; `train|valid|test/<label>/*.png`; `<label>/*.png`, split 80/20 by label and seed.

    Args:
        root: the folder, or the CSV file itself.
        second_label: name of another label column to read.
        seed: of the 80/20 split.
        watch: shows how far the reading of all pictures is.

    Raises:
        DatasetError: nothing there, no usable picture, an unknown label, or missing columns.
    """
    if not root.exists():
        raise DatasetError(f"{root} does not exist", cause="the path is wrong", hint=f"ls {root.parent}")
    table = root if root.is_file() else root / "manifest.csv"
    samples = _from_csv(table, second_label) if table.is_file() else _from_folders(root, seed)
    good: list[Sample] = []
    bad: list[Sample] = []
    for sample in watch(samples, desc="reading pictures"):
        content = _content(sample.path)
        (good if content else bad).append(replace(sample, content=content))
    if not any(s.split == "train" for s in good):
        raise DatasetError(
            f"{root} holds no readable training picture ({len(bad)} unreadable)",
            cause="pictures lie elsewhere, or none has a known suffix: " + " ".join(SUFFIXES),
            hint=f"ls {root}",
        )
    return Dataset(tuple(good), tuple(s.path for s in bad), second_label)


def read_image(path: Path) -> Image:
    """Decode a picture to RGB uint8 H x W x 3; raises DatasetError."""
    import cv2

    data = np.fromfile(path, np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise DatasetError(f"{path} cannot be decoded", cause="the file is empty, cut short or no picture")
    return np.ascontiguousarray(image[:, :, ::-1])


def label_index(name: str, where: str) -> int:
    """Position of a label; raises DatasetError naming the place it was read from."""
    if name not in LABELS:
        raise DatasetError(
            f"{where}: unknown label {name!r}", cause="the labels are: " + ", ".join(LABELS), hint="rename or remove it"
        )
    return LABELS.index(name)


def _content(path: Path) -> str:
    """SHA-256 of a picture's size and pixels, or "" when it cannot be decoded."""
    try:
        image = read_image(path)
    except (DatasetError, OSError):
        return ""
    return hashlib.sha256(str(image.shape).encode() + image.tobytes()).hexdigest()


def _from_csv(table: Path, second_label: str) -> list[Sample]:
    """Samples of a CSV manifest, paths relative to its folder."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        columns = rows.fieldnames or []
        wanted = ["path", "split", "label", *([second_label] if second_label else [])]
        missing = [c for c in wanted if c not in columns]
        if missing:
            raise DatasetError(
                f"{table} has no column {', '.join(missing)}",
                cause=f"its columns are: {', '.join(columns)}",
                hint="add the columns, or choose a recipe that does not ask for them",
            )
        has_votes = all(label in columns for label in LABELS)
        return [_csv_sample(table, rows.line_num, row, second_label, has_votes) for row in rows]


def _csv_sample(table: Path, line: int, row: dict[str, str], second_label: str, has_votes: bool) -> Sample:
    where = f"{table}, line {line}"
    if None in row.values() or row["split"] not in SPLITS:
        raise DatasetError(f"{where}: the split must be one of {', '.join(SPLITS)}, and no column may be missing")
    try:
        votes = tuple(float(row[label] or 0) for label in LABELS) if has_votes else ()
    except ValueError as error:
        raise DatasetError(f"{where}: a vote is not a number ({error})") from None
    return Sample(
        path=table.parent / row["path"],
        split=row["split"],
        label=label_index(row["label"], where) if row["label"] else None,
        second=label_index(row[second_label], where) if second_label and row[second_label] else None,
        votes=votes,
    )


def _from_folders(root: Path, seed: int) -> list[Sample]:
    """Samples of class folders, with or without split folders above them."""
    splits = [s for s in SPLITS if (root / s).is_dir()]
    if splits:
        found = [s for split in splits for s in _class_folders(root / split, split)]
        return found if "valid" in splits else stratified_split(found, seed)
    return stratified_split(_class_folders(root, "train"), seed)


def _class_folders(root: Path, split: str) -> list[Sample]:
    samples = []
    for folder in sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")):
        label = label_index(folder.name, str(folder))
        files = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
        if not files:
            raise DatasetError(f"{folder} holds no picture", hint=f"add pictures to {folder}, or remove it")
        samples += [Sample(path, split, label) for path in files]
    return samples


def shuffled_by_label(samples: Iterable[Sample], seed: int) -> dict[int | None, list[Sample]]:
    """The samples of each label, in an order that depends on their paths and the seed alone."""
    groups: dict[int | None, list[Sample]] = {}
    for sample in sorted(samples, key=lambda s: (str(s.label), str(s.path))):
        groups.setdefault(sample.label, []).append(sample)
    for label, members in groups.items():
        random.Random(f"{seed} {label}").shuffle(members)
    return groups


def stratified_split(samples: Sequence[Sample], seed: int, valid_share: float = 0.2) -> list[Sample]:
    """Move a fifth of each label's training samples to `valid`; the same seed gives the same split."""
    chosen: set[Path] = set()
    for members in shuffled_by_label((s for s in samples if s.split == "train"), seed).values():
        chosen.update(s.path for s in members[: round(len(members) * valid_share)])
    return [replace(s, split="valid") if s.path in chosen else s for s in samples]


def counts(samples: Iterable[Sample]) -> dict[str, int]:
    """How many samples each label has."""
    tally = Counter(s.label for s in samples)
    return {name: tally[i] for i, name in enumerate(LABELS)}


def balanced(samples: Sequence[Sample], count: int, seed: int) -> list[Sample]:
    """Up to `count` labelled samples with as equal a share of each label as there are; the same for the same seed."""
    groups = shuffled_by_label((s for s in samples if s.label is not None), seed)
    chosen: list[Sample] = []
    while len(chosen) < count and any(groups.values()):
        chosen += [members.pop() for members in groups.values() if members]
    return chosen[:count]


def picture_facts(samples: Sequence[Sample], look_at: int = 200) -> dict[str, bool | int]:
    """Median width and whether all are grey, of up to `look_at` pictures spread over the set."""
    step = max(1, len(samples) // look_at)
    pictures = [read_image(s.path) for s in samples[::step]]
    grey = all((p[..., 0] == p[..., 1]).all() and (p[..., 1] == p[..., 2]).all() for p in pictures)
    return {"side": int(np.median([p.shape[1] for p in pictures])), "grey": bool(grey)}
