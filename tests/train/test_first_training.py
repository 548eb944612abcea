"""A student's first training: folders as public sets name them, a run that is stopped, and how long it takes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fer_edge.bundle import LABELS
from fer_edge.bundle.dataset import read_dataset
from fer_edge.bundle.labels import NUMBERED, known_label
from fer_edge.errors import DatasetError, UsageError
from fer_edge.train.progress.pace import Pace, words
from fer_edge.train.recipe import parse_recipe
from support.labelled import class_folders

Command = Callable[..., subprocess.CompletedProcess[str]]
PUBLISHED = {
    "Kaggle": ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise"),
    "nouns": ("Anger", "Disgust", "Fear", "Happiness", "Neutral", "Sadness", "Surprise"),
    "adjectives": ("angry", "disgusted", "fearful", "happy", "neutral", "sad", "surprised"),
    "KDEF": ("AN", "DI", "AF", "HA", "NE", "SA", "SU"),
    "numbers before": ("0_anger", "1-disgust", "2 fear", "3_Joy", "4_neutral", "5_sadness", "6.surprise"),
}


@pytest.mark.parametrize("names", PUBLISHED.values(), ids=PUBLISHED)
def test_usual_words_are_understood_and_said(names: tuple[str, ...], tmp_path: Path) -> None:
    data = read_dataset(class_folders(tmp_path / "d", names, 2))
    assert {s.path.parent.name: LABELS[s.label or 0] for s in data.samples} == dict(zip(names, LABELS, strict=True))
    said = " ".join(data.notices)
    assert all(f"{name} = {label}" in said for name, label in zip(names, LABELS, strict=True) if name != label)


def test_two_words_for_one_label_are_one_label(tmp_path: Path) -> None:
    data = read_dataset(class_folders(tmp_path / "d", ("Happy", "happiness"), 2))
    assert {s.label for s in data.samples} == {LABELS.index("happy")}
    assert "labels read as: Happy = happy, happiness = happy" in data.notices


def test_numbers_ask_whose_they_are(command: Command, tmp_path: Path) -> None:
    class_folders(tmp_path / "d", "1234567", 2)
    refused = command("train", "--data", "d", "--out", "b", "--recipe", "tiny")
    assert refused.returncode == 2
    assert "add --label-map raf-db (1 surprise, 2 fear" in refused.stderr
    read = command("evaluate", "--data", "d", "--label-map", "raf-db", "--split", "train", "--json")
    support = {name: row["support"] for name, row in json.loads(read.stdout)["per_label"].items()}
    assert support == dict.fromkeys(LABELS, 2)
    assert "1 = surprise" in read.stderr


def test_a_label_map_of_ones_own(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "d", ("smiling", "01", "contempt", "sad"), 2)
    (tmp_path / "map.toml").write_text('smiling = "Happiness"\n1 = "fear"\ncontempt = ""\n')
    data = read_dataset(root, label_map=str(tmp_path / "map.toml"))
    found = {s.path.parent.name: LABELS[s.label or 0] for s in data.samples}
    assert found == {"smiling": "happy", "01": "fear", "sad": "sad"}
    assert "labels left out: contempt" in data.notices
    with pytest.raises(DatasetError, match="unknown label 'contempt'") as refused:
        read_dataset(root, label_map="affectnet")
    assert refused.value.hint.startswith("""echo '"contempt" = ""' > labels.toml""")


def test_a_label_map_that_is_none(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "d", ("sad",), 2)
    (tmp_path / "map.toml").write_text("sad = 3\n")
    with pytest.raises(UsageError, match="sad must be a label in quotes"):
        read_dataset(root, label_map=str(tmp_path / "map.toml"))
    with pytest.raises(UsageError, match="the label map nowhere cannot be read"):
        read_dataset(root, label_map="nowhere")


def test_numbered_sets_name_usual_labels() -> None:
    assert all(known_label(label) == label for _, labels in NUMBERED.values() for label in labels)


def test_a_label_inside_another_and_one_split_twice_are_refused(tmp_path: Path) -> None:
    class_folders(tmp_path / "d", ("happy",), 2)
    class_folders(tmp_path / "d" / "happy", ("Sadness",), 2)
    with pytest.raises(DatasetError, match="has a folder Sadness, which is another label"):
        read_dataset(tmp_path / "d")
    for split in ("train", "val", "valid"):
        class_folders(tmp_path / "e" / split, ("happy",), 2)
    with pytest.raises(DatasetError, match="has the folders val and valid, which both mean valid"):
        read_dataset(tmp_path / "e")


def test_a_link_that_leads_back_is_walked_once(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "d", ("happy", "sad"), 2)
    (root / "happy" / "again").symlink_to(root / "happy")
    assert len(read_dataset(root).samples) == 4


def test_the_pace_counts_pixels() -> None:
    now = [0.0]
    recipe = parse_recipe("r", {"size": 64, "warm_size": 32, "warm_epochs": 1, "epochs": 3}, "here")
    pace = Pace(recipe, 30, lambda: now[0])
    told = []
    for step in range(1, 31):
        pace.step(0)
        told.append(pace.first_estimate(0, step))
        now[0] += 1.0
    assert [i for i, seconds in enumerate(told) if seconds is not None] == [20]
    assert told[20] == pytest.approx(9 + 2 * 30 * 4, rel=0.01)
    assert pace.left_s(3, 0) == 0
    assert [words(s) for s in (None, 40, 5520)] == [
        "",
        ", about 40 s to go in all",
        ", about 1 h 32 min to go in all",
    ]


@pytest.mark.train
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_training_goes_on_where_it_was(number: int, tmp_path: Path, command: Command) -> None:
    """Stopped after some twenty of its 100 steps; going on gives the history of an unbroken run."""
    pytest.importorskip("torch", reason="needs the train extra")
    class_folders(tmp_path / "d" / "train", each=14, suffixes=[".png"])
    shutil.copytree(tmp_path / "d" / "train", tmp_path / "d" / "val")
    recipe = [
        'backbone = "mobilenetv3_small_100"',
        'color = "luma"',
        "size = 32",
        "batch = 2",
        "epochs = 2",
        'augment = "v1"',
    ]
    (tmp_path / "r.toml").write_text("\n".join(recipe))
    words_ = ["train", "--data", "d", "--recipe", "r.toml", "--threads", "1"]
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "fer_edge", *words_, "--out", "b"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if re.match(r"2 epochs of 49 steps, about \d+ (s|min) to go in all", line):
            os.killpg(process.pid, number)  # as a terminal, systemd or Slurm does: the processes that load pictures too
            break
    rest, _ = process.communicate(timeout=120)
    assert process.returncode in (128 + signal.SIGINT, 128 + number)
    stopped = re.search(r"stopped in epoch 1 after step (\d+): b.work/last.pt; --resume goes on there", rest)
    assert stopped
    assert 20 <= int(stopped[1]) < 49
    again = command(*words_, "--out", "b", "--resume", timeout=300)
    assert "epoch 2: loss" in again.stdout, again.stderr
    whole = command(*words_, "--out", "whole", timeout=300)
    assert "to go in all" in whole.stdout
    histories = [json.loads((tmp_path / f"{name}.work" / "history.json").read_text()) for name in ("b", "whole")]
    assert histories[0] == histories[1]
