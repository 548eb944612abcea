"""`evaluate --resting`: a person's own neutral pictures taken off the others, and nothing held against itself."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Command
from fer_edge.bundle import LABELS, open_bundle
from fer_edge.bundle.model_card import model_card
from fer_edge.cli.main import main
from support.bundles import small_bundle

FACES = (  # person, label, brightness, split: the model below sees anger in darker, surprise in brighter pictures
    *(("a", "neutral", 122, "test"), ("a", "neutral", 124, "test"), ("a", "angry", 102, "test")),
    *(("a", "surprise", 142, "test"), ("a", "angry", 123, "test")),  # the last one is as weak as nothing
    *(("b", "neutral", 125, "test"), ("b", "neutral", 127, "test"), ("b", "angry", 105, "test")),
    ("b", "surprise", 145, "test"),
    *(("c", "neutral", 123, "test"), ("c", "neutral", 123, "test"), ("c", "angry", 103, "test")),  # the second: a copy
    *(("d", "neutral", 121, "train"), ("d", "surprise", 141, "test")),  # at rest in another split
    *(("e", "happy", 123, "test"), ("e", "happy", 124, "test"), ("e", "neutral", 83, "test")),
)
BRIGHTER = tuple(-10 * (i - 3.5) for i in range(7))
"""Logits at which pictures brighter than 100 seem surprised, and others angry."""


def write(root: Path, folders: bool) -> Path:
    """The faces as a manifest, or as folders of labels with a table of people beside the set."""
    root.mkdir()
    rows = []
    for i, (person, label, brightness, split) in enumerate(FACES):
        path = f"{split}/{label}/{i}.png" if folders else f"{i}.png"
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / path), np.full((8, 8, 3), brightness, np.uint8))
        rows.append((path, split, label, person))
    with (root.with_suffix(".csv") if folders else root / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "split", "label", "person"), *rows])
    return root


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Everybody above seems surprised to it, but for one."""
    return small_bundle(tmp_path / "model", LABELS, BRIGHTER, trace=0.1)


@pytest.mark.parametrize("folders", [False, True])
def test_figures_with_and_without(folders: bool, tmp_path: Path, model: Path, command: Command) -> None:
    write(tmp_path / "set", folders)
    words = ("--data", "set", "--resting", "set.csv,person" if folders else "person", "--card", "--out", "o")
    done = command("evaluate", "--bundle", model, *words)
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "o" / "metrics.json").read_text())
    found = figures["resting"]
    assert found["column"] == "person"
    assert (found["persons"], found["persons_with_rest"]) == (5, 5)
    assert (found["pictures"], found["pictures_with_rest"]) == (16, 13)  # not c's two and e's one, alone at rest
    assert figures["accuracy"] == found["as_seen"]["accuracy"] == 3 / 16
    assert found["taken_off"]["accuracy"] == 10 / 16
    assert found["taken_off"]["recall"] == pytest.approx({"angry": 3 / 4, "happy": 0, "neutral": 4 / 7, "surprise": 1})
    assert found["taken_off"]["mean_recall"] == pytest.approx((3 / 4 + 4 / 7 + 1) / 4)
    assert found["accuracy_of_those_with_rest"] == pytest.approx({"as_seen": 3 / 13, "taken_off": 10 / 13})
    assert (found["as_seen"]["false_neutral"], found["taken_off"]["false_neutral"]) == pytest.approx((0, 1 / 9))
    smiling = {"happy": {"pictures": 2, "called_neutral": 1.0}, "neutral": {"pictures": 1, "called_neutral": 0.0}}
    assert found["smile_as_rest"] == smiling
    assert "5 of 5 persons and 13 of 16 pictures have one" in done.stdout
    assert "recall of angry          0.000      0.750" in done.stdout
    assert "false neutral            0.000      0.111" in done.stdout
    assert "neutral is said of 1.000 of 2 happy, 0.000 of 1 neutral" in done.stdout
    card = model_card(open_bundle(model).manifest)
    assert "| recall of angry | 0.000 | 0.750 |" in card
    assert "5 of 5 persons and 13 pictures have one" in card


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--resting", "who"), "has no column who"),
        (("--resting", "path"), "no picture has a resting face by the column path"),
        (("--resting", "person", "--bundle", "lacking"), "a resting face cannot be told: the bundle has no label"),
        (("--resting", "person", "--data", "folders"), "folders has no manifest.csv, whose column person"),
        (("--resting", "folders.csv,person,split", "--data", "folders"), "names several columns"),
        (("--resting", "person", "--label", "mood"), "no person of the column person has a picture that is labelled"),
        (("--resting", "person", "--live", "x.csv"), "--resting does not go with --live"),
    ],
)
@pytest.mark.usefixtures("model")
def test_what_cannot_be_told(
    words: tuple[str, ...],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(tmp_path / "set", folders=False)
    write(tmp_path / "folders", folders=True)
    table = tmp_path / "set" / "manifest.csv"
    head, *rows = table.read_text().split()
    table.write_text("\n".join([head + ",mood", *(row + ",sad" for row in rows)]))
    small_bundle(tmp_path / "lacking", ("angry", "surprise"), (0.0, 0.0))
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", "--bundle", "model", "--data", "set", *words]) == 2
    told = capsys.readouterr().err
    assert says in told
    assert "Traceback" not in told


def test_without_labels_nobody_is_known_to_be_at_rest(tmp_path: Path, model: Path) -> None:
    table = write(tmp_path / "set", folders=False) / "manifest.csv"
    rows = [line.split(",") for line in table.read_text().split()]
    table.write_text(
        "\n".join(",".join((path, split, "" if i else label, who)) for i, (path, split, label, who) in enumerate(rows))
    )
    assert (
        main(
            [
                "evaluate",
                "--bundle",
                str(model),
                "--data",
                str(table.parent),
                "--groups",
                "person",
                "--resting",
                "person",
            ]
        )
        == 2
    )
