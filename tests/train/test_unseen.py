"""`evaluate --split held-out`: of a set without labels, the faces that the bundle's own training left out."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Command
from fer_edge.bundle import LABELS
from fer_edge.bundle.dataset import read_dataset
from fer_edge.errors import DatasetError
from fer_edge.train.data.mixture import describe_sets, read_sets
from fer_edge.train.evaluation.unseen import HELD_OUT, held_out_faces
from fer_edge.train.options import TrainingSet
from fer_edge.train.recipe import load_recipe
from support.bundles import small_bundle

ALWAYS = (0.0, 0.0, 0.0, 2.0, 1.0, 0.0, 0.0)
RECIPE = replace(load_recipe("tiny"), distill=0.5, distill_answers="once", distill_temperature=1.0, hold_out=0.25)


def faces(folder: Path, count: int, columns: Sequence[str] = ()) -> Path:
    """Pictures that nobody labelled, and whatever else the manifest's columns say."""
    folder.mkdir()
    with (folder / "manifest.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "split", "label", "gender"])
        for i in range(count):
            table.writerow([f"{i}.png", "train", columns[i % len(columns)] if columns else "", "fm"[i % 2]])
            cv2.imwrite(str(folder / f"{i}.png"), np.full((8, 8, 3), 40 + i, np.uint8))
    return folder


@pytest.fixture
def colour(tmp_path: Path) -> Path:
    return faces(tmp_path / "colour", 40)


@pytest.fixture
def learned(tmp_path: Path, colour: Path) -> tuple[Path, set[Path]]:
    """A bundle that says what a training on two sets writes, and what that training held out of the second."""
    first = faces(tmp_path / "first", 20, LABELS)
    mixture = read_sets([TrainingSet(first), TrainingSet(colour)], RECIPE)
    held = {s.path for s in mixture.samples if s.collection == "colour" and s.split == "valid"}
    bundle = small_bundle(tmp_path / "model", LABELS, ALWAYS)
    about = json.loads((bundle / "bundle.json").read_text())
    recipe = {"hold_out": RECIPE.hold_out, "seed": RECIPE.seed}
    about["provenance"] = {"recipe": recipe, "data": {"sets": describe_sets(mixture)}}
    (bundle / "bundle.json").write_text(json.dumps(about))
    return bundle, held


def test_only_what_the_training_left_out_is_measured(
    command: Command, tmp_path: Path, colour: Path, learned: tuple[Path, set[Path]]
) -> None:
    bundle, held = learned
    assert len(held) == 10
    about = json.loads((bundle / "bundle.json").read_text())["provenance"]
    found = held_out_faces(read_dataset(colour, any_label=True), about, colour)
    assert {s.path for s in found} == held
    done = command("evaluate", "--data", "colour", "--bundle", "model", "--groups", "gender", "--split", HELD_OUT)
    assert done.returncode == 0, done.stderr
    assert "answers to 10 pictures" in done.stderr
    assert "were in the model's training" not in done.stderr
    assert done.stdout.splitlines()[-1].endswith("--split held-out --groups gender")


def test_faces_that_were_learned_are_called_so(command: Command, colour: Path, learned: tuple[Path, set[Path]]) -> None:
    done = command("evaluate", "--data", "colour", "--bundle", "model", "--groups", "gender")
    assert done.returncode == 0, done.stderr
    assert "30 pictures of colour were in the model's training; --split held-out measures on the 10" in done.stderr


def test_a_set_that_the_training_did_not_see_has_nothing_held_out(
    tmp_path: Path, colour: Path, learned: tuple[Path, set[Path]]
) -> None:
    bundle, _ = learned
    about = json.loads((bundle / "bundle.json").read_text())["provenance"]
    other = faces(tmp_path / "other", 39)
    for folder, words in ((other, about), (colour, {}), (colour, {**about, "recipe": {"seed": 42}})):
        with pytest.raises(DatasetError, match="held no faces of"):
            held_out_faces(read_dataset(folder, any_label=True), words, folder)


def test_labelled_faces_have_their_own_splits(
    command: Command, tmp_path: Path, learned: tuple[Path, set[Path]]
) -> None:
    done = command("evaluate", "--data", "first", "--bundle", "model", "--split", HELD_OUT)
    assert done.returncode != 0
    assert "a training holds out faces of sets without any" in done.stderr
    assert "Traceback" not in done.stderr
