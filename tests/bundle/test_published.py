"""Published sets in their authors' layouts, made up here: nobody's face is in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from fer_edge.bundle import LABELS
from fer_edge.bundle.dataset import Dataset, Sample, read_dataset, read_face


def picture(path: Path, side: int = 20) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.random.default_rng(side).integers(0, 255, (side, side, 3), dtype=np.uint8))


def raf_db(root: Path) -> None:
    names = ["train_00001.jpg 5", "train_00002.jpg 4", "test_0001.jpg 1"]
    (root / "basic" / "EmoLabel").mkdir(parents=True)
    (root / "basic" / "EmoLabel" / "list_patition_label.txt").write_text("\n".join(names) + "\n")
    for name in names:
        picture(root / "basic" / "Image" / "aligned" / name.split()[0].replace(".jpg", "_aligned.jpg"))


def affectnet_folders(root: Path) -> None:
    for split, number, label in (("train_set", 0, "2"), ("train_set", 1, "7"), ("val_set", 2, "6")):
        picture(root / split / "images" / f"{number}.jpg")
        (root / split / "annotations").mkdir(exist_ok=True)
        np.save(root / split / "annotations" / f"{number}_exp.npy", np.array(label))


def affectnet_tables(root: Path) -> None:
    head = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal\n"
    root.mkdir()
    (root / "training.csv").write_text(head + "1/a.jpg,4,2,10,12,1;2,4,0.1,0.2\n1/b.jpg,0,0,9,9,1;2,10,-2,-2\n")
    (root / "validation.csv").write_text(head + "2/c.jpg,0,0,20,20,1;2,0,0,0\n")
    for name in ("1/a.jpg", "1/b.jpg", "2/c.jpg"):
        picture(root / "Manually_Annotated_Images" / name)


def fer2013(root: Path) -> None:
    rows = [("3", 7, "Training"), ("4", 9, "PublicTest"), ("6", 11, "PrivateTest")]
    root.mkdir()
    lines = [f"{label},{' '.join([str(grey)] * 48 * 48)},{usage}" for label, grey, usage in rows]
    (root / "fer2013.csv").write_text("\n".join(["emotion,pixels,Usage", *lines]) + "\n")


def told(data: Dataset) -> list[tuple[str, str]]:
    return sorted((s.split, LABELS[s.label]) for s in data.samples if s.label is not None)


@pytest.mark.parametrize(
    ("make", "name", "found"),
    [
        (raf_db, "raf-db", [("test", "surprise"), ("train", "happy"), ("train", "sad")]),
        (affectnet_folders, "affectnet", [("train", "sad"), ("valid", "angry")]),  # contempt is no label of ours
        (affectnet_tables, "affectnet", [("train", "fear"), ("valid", "neutral")]),
        (fer2013, "fer2013", [("test", "neutral"), ("train", "happy"), ("valid", "sad")]),
    ],
)
def test_it_is_read_as_published(
    make: Callable[[Path], None], name: str, found: list[tuple[str, str]], tmp_path: Path
) -> None:
    make(tmp_path / "data")
    data = read_dataset(tmp_path / "data")
    assert told(data) == found
    assert not data.unreadable
    assert f"read as {name}, in its published layout" in data.notices


def faces_of(data: Dataset, split: str) -> tuple[Sample, np.ndarray]:
    (sample,) = data.split(split)
    return sample, read_face(sample)


def test_a_face_is_cut_out_by_its_box(tmp_path: Path) -> None:
    affectnet_tables(tmp_path / "data")
    assert faces_of(read_dataset(tmp_path / "data"), "train")[1].shape == (12, 10, 3)


def test_pixels_in_a_table_are_pictures(tmp_path: Path) -> None:
    fer2013(tmp_path / "data")
    data = read_dataset(tmp_path / "data" / "fer2013.csv")
    assert (faces_of(data, "test")[1] == np.full((48, 48, 3), 11)).all()
    table = tmp_path / "data" / "fer2013.csv"
    table.write_text(table.read_text().replace("9 9 9", "9", 1))
    assert [s.split for s in read_dataset(table).unreadable] == ["valid"]
