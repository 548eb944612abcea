"""Reading labelled faces: folders named after labels, or a CSV manifest."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DatasetError
from .labelled_files import (
    MAX_NAMED,
    SPLITS,
    SUFFIXES,
    Sample,
    counted,
    from_csv,
    from_folders,
    pictures_below,
    shuffled_by_label,
    stratified_split,
)
from .labels import LABELS, Naming, read_label_map
from .preprocess import Image
from .published.layouts import picture_in_table, published

__all__ = [
    "SPLITS", "SUFFIXES", "Dataset", "Sample", "Watch", "balanced", "counts", "picture_facts", "pictures_below",
    "read_dataset", "read_face", "read_image", "shuffled_by_label", "stratified_split", "unwatched",
]  # fmt: skip
Watch = Callable[..., Iterable[Any]]
"""Wraps a loop to show its progress: (iterable, total=, desc=) -> the same items."""


def unwatched(loop: Iterable[Any], total: int | None = None, desc: str = "") -> Iterable[Any]:
    """The Watch that shows nothing."""
    return loop


@dataclass(frozen=True)
class Dataset:
    """Labelled faces that could be read, and what was left out.

    Attributes:
        samples: the pictures that decode.
        unreadable: those that do not.
        second_label: name of the other label column that was read.
        labels: what the samples' labels are indices into: LABELS, and then words of the data's own.
        notices: what was guessed, understood as something else or not read, for people.
        group_columns: what the samples' groups are values of.
        shares: of a mixture, each set's name and its share of what training draws, summing to 1; empty: as they come.
    """

    samples: tuple[Sample, ...]
    unreadable: tuple[Sample, ...] = ()
    second_label: str = ""
    labels: tuple[str, ...] = LABELS
    notices: tuple[str, ...] = ()
    group_columns: tuple[str, ...] = ()
    shares: tuple[tuple[str, float], ...] = ()

    def split(self, name: str) -> tuple[Sample, ...]:
        """The samples of one split."""
        return tuple(s for s in self.samples if s.split == name)

    def unreadable_in(self, split: str) -> tuple[Sample, ...]:
        """What could not be decoded of one split."""
        return tuple(s for s in self.unreadable if s.split == split)

    @property
    def held_out(self) -> str:
        """The split to measure on where none is asked for: test, or valid where there is no test."""
        return "test" if self.split("test") or self.unreadable_in("test") else "valid"

    def notes(self, split: str = "") -> Iterator[str]:
        """All there is to tell a person about the reading: of one split, or of all."""
        yield from self.notices
        bad = self.unreadable_in(split) if split else self.unreadable
        if bad:
            names = ", ".join(str(s.path) for s in bad[:MAX_NAMED])
            more = f" and {len(bad) - MAX_NAMED} more" if len(bad) > MAX_NAMED else ""
            yield f"left out, {counted(len(bad), 'picture')} cannot be read: {names}{more}"

    def digest(self) -> str:
        """SHA-256 over every picture's content, split and labels, in a fixed order: what a metrics file refers to."""
        total = hashlib.sha256()
        for sample in sorted(self.samples, key=lambda s: (s.content, s.split, str(s.path))):
            total.update(f"{sample.content} {sample.split} {sample.label} {sample.second} {sample.votes}".encode())
        return total.hexdigest()


def read_dataset(
    root: Path,
    second_label: str = "",
    seed: int = 42,
    watch: Watch = unwatched,
    *,
    label_map: str | None = None,
    any_label: bool = False,
    groups: tuple[str, ...] = (),
    margin: float = 0.0,
) -> Dataset:
    """Read a folder of labelled faces and check that every picture decodes.

    Layouts that are understood: `manifest.csv` with `path,split,label` and, if present, one vote column a label and
    further label columns; `train|valid|test/<label>/…`; `<label>/…`, split 80/20 by label and seed. And as published:
    RAF-DB, AffectNet and FER2013's table.

    Args:
        root: the folder, or the CSV file itself.
        second_label: name of another label column to read.
        seed: of the 80/20 split.
        watch: shows how far the reading of all pictures is.
        label_map: what words that are no usual label mean; see `read_label_map`.
        any_label: for measuring: labels beyond LABELS may be the model's, and no training picture is needed.
        groups: columns of a manifest to carry along as each sample's groups.
        margin: how much wider than the face's usual framing the pictures are, 0.2 for a fifth; it is cut off.

    Raises:
        DatasetError: nothing there, no usable picture, an unknown label, or missing columns.
        UsageError: the label map cannot be used.
    """
    if not root.exists():
        raise DatasetError(f"{root} does not exist", cause="the path is wrong", hint=f"ls {root.parent}")
    known = published(root)
    meant = read_label_map(known[0]) if known else {}
    naming = Naming({**meant, **read_label_map(label_map)}, any_label)
    table = root if root.is_file() else root / "manifest.csv"
    notices: list[str] = []
    samples: Sequence[Sample]
    if known:
        samples = [s for s in known[1](naming) if s.label is not None]
        notices.append(f"read as {known[0]}, in its published layout")
        if not any(s.split == "valid" for s in samples):
            samples = stratified_split(samples, seed)
            notices.append("it has no split for validation: a fifth of each label's training pictures is held out")
    elif table.is_file():
        samples = from_csv(table, second_label, naming, groups)
    else:
        samples, notices = from_folders(root, seed, naming)
    good: list[Sample] = []
    bad: list[Sample] = []
    for sample in watch(samples, desc="reading pictures"):
        checked = _checked(sample, margin)
        (good if checked.content else bad).append(checked)
    if not any(any_label or s.split == "train" for s in good):
        raise DatasetError(
            f"{root} holds no readable {'' if any_label else 'training '}picture ({len(bad)} unreadable)",
            cause="pictures lie elsewhere, or none has a known suffix: " + " ".join(SUFFIXES),
            hint=f"ls {root}",
        )
    said = (*naming.notices(), *notices)
    return Dataset(tuple(good), tuple(bad), second_label, tuple(naming.labels), said, groups)


def read_image(path: Path) -> Image:
    """Decode a picture to RGB uint8 H x W x 3; raises DatasetError."""
    from ..opencv import cv2

    if (drawn := picture_in_table(path)) is not None:
        return drawn
    data = np.fromfile(path, np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise DatasetError(f"{path} cannot be decoded", cause="the file is empty, cut short or no picture")
    return np.ascontiguousarray(image[:, :, ::-1])


def read_face(sample: Sample) -> Image:
    """Decode a sample's picture and cut out its face: RGB uint8 H x W x 3; raises DatasetError."""
    return _cut(read_image(sample.path), sample.box)


def _checked(sample: Sample, margin: float) -> Sample:
    """The sample with its box less the margin, and the content of that face; content "" where nothing decodes."""
    try:
        image = read_image(sample.path)
        if margin:
            left, top, width, height = sample.box or (0, 0, image.shape[1], image.shape[0])
            w, h = round(width / (1 + margin)), round(height / (1 + margin))
            sample = replace(sample, box=(left + (width - w) // 2, top + (height - h) // 2, w, h))
        face = _cut(image, sample.box)
    except (DatasetError, OSError):
        return replace(sample, content="")
    return replace(sample, content=hashlib.sha256(str(face.shape).encode() + face.tobytes()).hexdigest())


def _cut(image: Image, box: tuple[int, int, int, int] | None) -> Image:
    """The part of a box that lies within the picture; all of the picture without one."""
    if box is None:
        return image
    left, top, width, height = box
    face = image[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
    if not face.size:
        raise DatasetError(f"the face {box} lies outside its picture of {image.shape[1]} x {image.shape[0]} pixels")
    return np.ascontiguousarray(face)


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


def picture_facts(samples: Sequence[Sample], look_at: int = 200) -> dict[str, float]:
    """Median width and the share that is grey, 0..1, of up to `look_at` pictures spread over the set."""
    step = max(1, len(samples) // look_at)
    pictures = [read_face(s) for s in samples[::step]]
    grey = [(p[..., 0] == p[..., 1]).all() and (p[..., 1] == p[..., 2]).all() for p in pictures]
    return {"side": int(np.median([p.shape[1] for p in pictures])), "grey": round(float(np.mean(grey)), 2)}
