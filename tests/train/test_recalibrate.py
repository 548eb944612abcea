"""A model that is fitted to other faces without training, by the command a person types."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fer_edge.bundle import Bundle, open_bundle
from fer_edge.bundle.dataset import read_dataset, read_face
from fer_edge.bundle.preprocess import whole_image
from fer_edge.errors import DatasetError, UnsupportedGraph, UsageError
from fer_edge.export.graph import load_float32
from fer_edge.runtime.inference.classifier import Classifier
from fer_edge.train import recalibrate as fitting
from fer_edge.train.recalibrate import RecalibrateOptions, recalibrate
from support.labelled import class_folders

Command = Callable[..., subprocess.CompletedProcess[str]]
pytestmark = pytest.mark.train


def operators(bundle: Bundle) -> list[str]:
    return [n.op_type for n in load_float32(bundle.folder / bundle.reference.path).graph.node]


def test_neutral_is_found_as_often_as_was_asked_and_nothing_else_changes(
    calibration: Path, tmp_path: Path, command: Command
) -> None:
    faces = tmp_path / "faces"  # of somebody who calls sad faces neutral
    shutil.copytree(calibration, faces)
    for picture in (faces / "sad").iterdir():
        picture.rename(faces / "neutral" / picture.name)
    (faces / "sad").rmdir()
    words = ("pico", "--data", faces, "--neutral-recall", 0.9, "--out", "calm", "--json")
    done = command("bundle", "recalibrate", *words)
    assert done.returncode == 0, done.stderr
    said, old, new = json.loads(done.stdout), open_bundle("pico"), open_bundle(tmp_path / "calm")
    assert said["neutral_raised"] > 0
    assert operators(new) == operators(old), "a device runs the same layers"
    valid = [s for s in read_dataset(faces).split("valid") if s.label is not None]
    crops = np.stack([whole_image(read_face(s), new.manifest.input.size) for s in valid])
    place = new.labels.index("neutral")
    before, after = (Classifier(b, b.reference).logits(crops) for b in (old, new))
    mine = np.array([s.label == place for s in valid])
    found = [int((logits.argmax(1) == place)[mine].sum()) for logits in (before, after)]
    assert found[0] < found[1] - 1
    assert abs(found[1] - math.ceil(0.9 * mine.sum())) <= 1, "one face lies on the border, and weights are rounded"
    wanted = (before + said["neutral_raised"] * np.eye(7)[place]) / said["temperature"]
    assert np.abs(after - wanted).max() < 0.02
    assert new.manifest.version == f"{old.manifest.version}.1"
    assert new.manifest.provenance["recipe"] == old.manifest.provenance["recipe"]
    assert f"`{faces.name}/valid`: neutral's logit raised by" in (new.folder / "MODEL_CARD.md").read_text()
    assert "measured on valid" in done.stderr, "there is no test split here, which must be said"


def test_what_cannot_be_fitted_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faces = class_folders(tmp_path / "faces", each=10, blur=2)
    options = RecalibrateOptions("pico", faces, tmp_path / "out", neutral_recall=85.0)
    with pytest.raises(UsageError, match="85 is no share"):
        recalibrate(options)
    unknown = class_folders(tmp_path / "one", ("happy", "sad"), each=30, blur=2)
    with pytest.raises(UsageError, match="wants neutral faces"):
        recalibrate(RecalibrateOptions("pico", unknown, tmp_path / "out", neutral_recall=0.8))
    same = class_folders(tmp_path / "copies" / "train", blur=2)
    class_folders(same.parent / "valid", blur=2)
    with pytest.raises(DatasetError, match="no labelled picture in its valid split that is not in train"):
        recalibrate(RecalibrateOptions("pico", same.parent, tmp_path / "out"))
    bundle = open_bundle("pico")
    graph = load_float32(bundle.folder / bundle.reference.path)
    del graph.graph.node[-1:]
    graph.graph.output[0].name = graph.graph.node[-1].output[0]
    monkeypatch.setattr(fitting, "load_float32", lambda path: graph)
    with pytest.raises(UnsupportedGraph, match="not a classifier with a bias"):
        recalibrate(RecalibrateOptions("pico", faces, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_faces_and_a_folder_are_asked_for(command: Command) -> None:
    done = command("bundle", "recalibrate", "pico")
    assert done.returncode == 2
    assert "needs labelled faces and a folder" in done.stderr
