"""Where labelled faces lie: which folder or row is which label and split, and what had to be left out or guessed."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import DatasetError
from .labels import LABELS, Naming, known_label
from .tables import read_table

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm")
"""What every OpenCV decodes."""
SPLITS = ("train", "valid", "test")
SPLIT_WORDS: dict[str, str] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "val", "validation", "dev", "publictest"), "valid"),
    **dict.fromkeys(("test", "testing", "privatetest"), "test"),
}
"""Word, in small letters -> split: those of ImageNet, Keras and Ultralytics, and FER2013's own."""
TRUTH_WORDS = {"": False, "0": False, "false": False, "no": False, "1": True, "true": True, "yes": True}
MAX_NAMED = 20
"""So many files are named in one line; the rest is counted."""


@dataclass(frozen=True)
class Sample:
    """One labelled face.

    Attributes:
        path: the picture's file.
        split: train, valid or test.
        label: index into the dataset's labels, or None where the taggers did not agree.
        second: index of another label column, or None.
        votes: taggers' votes for each of LABELS, or empty.
        content: SHA-256 of the decoded face; equal for copies, whatever their file format.
        box: left, top, width, height in pixels of the face in the picture, or None where it fills it.
        source: where the picture comes from: the manifest's column up to a colon, else its set's name in a mixture.
        synthetic: made by a machine, not taken of a person.
        groups: values of the columns that were asked for, in their order; "" where nothing is said.
        collection: name of the set in a mixture.
    """

    path: Path
    split: str
    label: int | None
    second: int | None = None
    votes: tuple[float, ...] = ()
    content: str = ""
    box: tuple[int, int, int, int] | None = None
    source: str = ""
    synthetic: bool = False
    groups: tuple[str, ...] = ()
    collection: str = ""


def from_csv(table: Path, second_label: str, naming: Naming, groups: Sequence[str] = ()) -> list[Sample]:
    """Samples of a CSV manifest, paths relative to its folder; raises DatasetError with the line that is wrong.

    Args:
        groups: columns to carry along, where the table has them.
    """
    wanted = ["path", "split", "label", *([second_label] if second_label else [])]
    content = read_table(table, wanted, "add the columns, or choose a recipe that does not ask for them")
    votes = {known_label(column): column for column in content.columns}
    votes = votes if set(LABELS) <= set(votes) else {}
    samples = []
    for line, row in content.rows:
        where = f"{table}, line {line}"
        split = SPLIT_WORDS.get(row["split"].casefold())
        if split is None:
            raise DatasetError(f"{where}: the split must be one of {', '.join(SPLITS)}, not {row['split']!r}")
        label = naming.index(row["label"], where) if row["label"] else None
        if row["label"] and label is None:
            continue
        second = naming.index(row[second_label], where) if second_label and row[second_label] else None
        try:
            tally = tuple(float(row[votes[name]] or 0) for name in LABELS) if votes else ()
        except ValueError as error:
            raise DatasetError(f"{where}: a vote is not a number ({error})") from None
        synthetic = TRUTH_WORDS.get(row.get("synthetic", "").casefold())
        if synthetic is None:
            raise DatasetError(f"{where}: synthetic must be 1 or 0, not {row['synthetic']!r}")
        facts = Sample(table.parent / row["path"], split, label, second, tally, synthetic=synthetic)
        source = row.get("source", "").partition(":")[0].strip()  # what follows names one picture of the source
        samples.append(replace(facts, source=source, groups=tuple(row.get(column, "") for column in groups)))
    return samples


def from_folders(root: Path, seed: int, naming: Naming) -> tuple[list[Sample], list[str]]:
    """Samples of class folders, with or without split folders above them, and what there is to say about them.

    Raises:
        DatasetError: two folders for one split, an empty or nested label, an unknown label.
    """
    folders: dict[str, list[Path]] = {}
    for folder in _folders(root):
        folders.setdefault(SPLIT_WORDS.get(folder.name.casefold(), ""), []).append(folder)
    further = folders.pop("", [])
    said: list[str] = []
    if not folders:
        samples = _class_folders(root, "train", naming, said)
        return _with_valid(samples, seed, said), said
    for split, several in folders.items():
        if len(several) > 1:
            names = " and ".join(p.name for p in several)
            raise DatasetError(
                f"{root} has the folders {names}, which both mean {split}", hint=f"move one of them out of {root}"
            )
    splits = [s for s in SPLITS if s in folders]
    beside = ", ".join(folders[s][0].name for s in splits)
    for folder in further:
        held = counted(len(pictures_below(folder)[0]), "picture")
        said.append(f"not read: the folder {folder.name} beside {beside} ({held})")
    _say_loose(root, said)
    samples = [s for split in splits for s in _class_folders(folders[split][0], split, naming, said)]
    return (samples if "valid" in splits or "train" not in splits else _with_valid(samples, seed, said)), said


def pictures_below(folder: Path) -> tuple[list[Path], Counter[str]]:
    """Every picture of a folder and its sub-folders, and how many other files there are by suffix."""
    pictures, others = [], Counter[str]()
    seen: set[str] = set()
    for place, inner, files in os.walk(folder, followlinks=True):
        inner[:] = [name for name in inner if not name.startswith(".") and name != "__MACOSX"]
        if (real := os.path.realpath(place)) in seen:  # a link that leads back would be walked for ever
            inner.clear()
            continue
        seen.add(real)
        for name in files:
            file = Path(place, name)
            if file.suffix.lower() in SUFFIXES and not name.startswith("."):
                pictures.append(file)
            elif not name.startswith(".") and name not in ("Thumbs.db", "desktop.ini"):
                others[file.suffix.lower() or "no suffix"] += 1
    return sorted(pictures), others


def counted(count: int, noun: str) -> str:
    """`1 picture`, `2 pictures`."""
    return f"{count} {noun}{'s' * (count != 1)}"


def _class_folders(root: Path, split: str, naming: Naming, said: list[str]) -> list[Sample]:
    samples: list[Sample] = []
    unread = Counter[str]()
    folders = _folders(root)
    for folder in folders:
        label = naming.index(folder.name, str(folder), [f.name for f in folders])
        if label is None:
            continue
        files, others = pictures_below(folder)
        unread += others
        if not files:
            raise DatasetError(f"{folder} holds no picture", hint=f"add pictures to {folder}, or remove it")
        for inner in {part for f in files for part in f.relative_to(folder).parts[:-1] if len(part) > 2}:
            if known_label(inner) not in (None, naming.labels[label]):
                raise DatasetError(
                    f"{folder} has a folder {inner}, which is another label", hint=f"find {folder} -name '{inner}'"
                )
        samples += [Sample(path, split, label) for path in files]
    if unread:
        kinds = ", ".join(f"{suffix} {n}" for suffix, n in unread.most_common())
        said.append(f"not read: {counted(unread.total(), 'file')} of {root.name} with other suffixes ({kinds})")
    _say_loose(root, said)
    return samples


def _say_loose(root: Path, said: list[str]) -> None:
    loose = [p for p in root.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file()]
    if loose:
        said.append(f"not read: {counted(len(loose), 'picture')} in {root.name} itself, in no label's folder")


def _folders(root: Path) -> list[Path]:
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith((".", "__")))


def _with_valid(samples: list[Sample], seed: int, said: list[str]) -> list[Sample]:
    if samples:
        said.append("there is no folder valid: a fifth of each label's training pictures is held out as valid")
    return stratified_split(samples, seed)


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
