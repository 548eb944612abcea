"""Whose labels are scored, what tables people make, and what a graph's outputs mean."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from fer_edge.bundle import LABELS, open_bundle, softmax
from fer_edge.bundle.dataset import Sample, read_dataset
from fer_edge.bundle.model_card import model_card
from fer_edge.bundle.scoring import in_our_order
from fer_edge.bundle.tables import read_table
from fer_edge.errors import DatasetError
from fer_edge.export.labelled import evaluation
from fer_edge.runtime.inference.classifier import Classifier
from support.bundles import small_bundle
from support.labelled import class_folders

Command = Callable[..., subprocess.CompletedProcess[str]]
FERPLUS = ("Neutral", "Happiness", "Surprise", "Sadness", "Anger", "Disgust", "Fear", "Contempt")


def opened(folder: Path) -> Classifier:
    bundle = open_bundle(folder)
    return Classifier(bundle, bundle.reference)


def one_hot(labels: Sequence[str], label: str, high: float = 6.0) -> list[float]:
    return [high if name == label else -high for name in labels]


def test_export_and_benchmark_score_by_the_bundles_labels(tmp_path: Path) -> None:
    faces = class_folders(tmp_path / "d" / "test", ("happy", "sad", "fear"), 2).parent
    said: list[str] = []
    evaluate = evaluation(faces, None, 42, on_notice=said.append)
    assert evaluate is not None
    figures = evaluate(opened(small_bundle(tmp_path / "b", FERPLUS, one_hot(FERPLUS, "Sadness"))))
    assert figures["accuracy"] == pytest.approx(1 / 3)
    assert figures["per_label"]["Sadness"]["recall"] == 1
    assert figures["per_label"]["Happiness"]["recall"] == 0
    assert figures["not_scored"] == {"labels": ["Contempt"], "pictures": {}}
    assert "scored without the model's Contempt, which the data does not know" in said


def test_pictures_that_a_model_has_no_label_for_are_left_out_and_said(tmp_path: Path) -> None:
    faces = class_folders(tmp_path / "d" / "test", ("happy", "sad", "contempt"), 2).parent
    said: list[str] = []
    evaluate = evaluation(faces, "test", 42, on_notice=said.append)
    assert evaluate is not None
    figures = evaluate(opened(small_bundle(tmp_path / "b", LABELS, one_hot(LABELS, "happy"))))
    assert (figures["images"], figures["accuracy"]) == (4, 0.5)
    assert "left out, pictures of labels that the model does not have: contempt 2" in said
    eight = evaluate(opened(small_bundle(tmp_path / "c", FERPLUS, one_hot(FERPLUS, "Contempt"))))
    assert (eight["images"], eight["per_label"]["Contempt"]["recall"]) == (6, 1)


def test_labels_of_ones_own_are_scored_or_refused(tmp_path: Path) -> None:
    three = ("negative", "neutral", "positive")
    own = class_folders(tmp_path / "own" / "test", [name.capitalize() for name in three], 2).parent
    classifier = opened(small_bundle(tmp_path / "b", three, one_hot(three, "positive")))
    evaluate = evaluation(own, "test", 42)
    assert evaluate is not None
    assert evaluate(classifier)["per_label"]["positive"]["recall"] == 1
    usual = evaluation(class_folders(tmp_path / "usual" / "test", ("happy", "neutral"), 2).parent, "test", 42)
    assert usual is not None
    with pytest.raises(DatasetError, match="negative, neutral, positive cannot be measured on usual/test"):
        usual(classifier)
    with pytest.raises(DatasetError, match="own/test: unknown label 'negative'"):
        evaluate(opened(small_bundle(tmp_path / "c", LABELS, one_hot(LABELS, "happy"))))


def test_teachers_and_peers_are_put_into_our_order() -> None:
    assert [FERPLUS[i] for i in in_our_order(FERPLUS, "it")][:3] == ["Anger", "Disgust", "Fear"]
    with pytest.raises(DatasetError, match="the teacher has no label angry, disgust"):
        in_our_order(("happy", "fear", "neutral", "sad", "surprise"), "the teacher")


def test_the_live_check_asks_in_the_bundles_words(tmp_path: Path) -> None:
    from fer_edge.train.evaluation import live_check

    takes = live_check.all_takes(FERPLUS)
    assert [take.label for take in takes[::2]] == [
        *("Anger", "Disgust", "Fear", "Happiness", "Neutral", "Sadness", "Surprise", "Contempt")
    ]
    (tmp_path / "t.csv").write_text("file,expression,level\na.mp4,happy,peak\n")
    (take,) = live_check.read_takes(tmp_path / "t.csv", FERPLUS)
    assert take.label == "Happiness"
    (row,) = live_check.summarise([live_check.Result(take, 4, 3, "yunet")], FERPLUS)
    assert (row["expression"], row["subtle"], row["peak"], row["not_rated"]) == ("Happiness", None, 0.75, 1)
    assert row["published"], "the study's figures for happy"
    with pytest.raises(DatasetError, match="unknown label 'happy'"):
        live_check.read_takes(tmp_path / "t.csv", ("negative", "neutral"))


def test_the_card_counts_the_bundles_labels(tmp_path: Path) -> None:
    card = model_card(open_bundle(small_bundle(tmp_path / "b", FERPLUS, one_hot(FERPLUS, "Fear"))).manifest)
    assert "Recognises eight facial **expressions** (Neutral, Happiness" in card
    assert "- Pain, tiredness and anything else outside the eight labels" in card


@pytest.mark.parametrize(
    ("last", "kind", "confidence"),
    [("", "logits", 0.9975), ("Softmax", "probabilities", 0.9975), ("LogSoftmax", "logits", 0.9975),
     ("Sigmoid", "sigmoids", 0.9526 / (0.9526 + 6 * 0.0474))],
)  # fmt: skip
def test_what_a_graph_ends_in(last: str, kind: str, confidence: float, command: Command, tmp_path: Path) -> None:
    folder = small_bundle(tmp_path / "b", LABELS, one_hot(LABELS, "happy", 3.0 if last == "Sigmoid" else 3.89), last)
    classifier = opened(folder)
    grey = np.full((2, 112, 112, 3), 128, np.uint8)
    assert classifier.outputs == kind
    assert softmax(classifier.logits(grey))[1] == pytest.approx(classifier.probabilities(grey)[0])
    assert classifier.probabilities(grey)[0].max() == pytest.approx(confidence, abs=0.01)
    assert classifier.describe().get("outputs", "logits") == kind
    done = command("bundle", "check", folder)
    assert done.returncode == 0
    assert ("model.onnx gives" in done.stdout) == (kind != "logits")


MARK = "\ufeff"


@pytest.mark.parametrize(
    "text", [MARK + "path,split,label\na.png,Val,Happiness\n", "path;split;label\r\na.png;valid;happy\r\n"]
)
def test_manifests_as_spreadsheets_save_them(text: str, tmp_path: Path) -> None:
    root = class_folders(tmp_path, ("x",), 1, [".png"])
    (root / "x" / "0.png").rename(root / "a.png")
    (root / "manifest.csv").write_bytes(text.encode())
    (sample,) = read_dataset(root, any_label=True).samples
    assert (sample.split, LABELS[sample.label or 0]) == ("valid", "happy")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_other_encodings_are_refused_with_the_command_that_mends_them(encoding: str, tmp_path: Path) -> None:
    table, text = tmp_path / "a table.csv", "path,split,label\nä.png,test,happy\n"
    table.write_bytes(text.encode(encoding))
    with pytest.raises(DatasetError, match="is UTF-16" if "16" in encoding else "is not UTF-8") as refused:
        read_table(table, ("path",))
    subprocess.run(refused.value.hint, shell=True, cwd=tmp_path, check=True)
    assert read_table(tmp_path / "utf8.csv", ("path",)).rows[0][1]["path"] == "ä.png"


def test_zero_bytes_are_no_table(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"path,split\n\0\0\0,\n")
    with pytest.raises(DatasetError, match="holds a zero byte"):
        read_table(tmp_path / "t.csv", ("path",))


def test_groups_and_takes_with_a_byte_order_mark(tmp_path: Path) -> None:
    from fer_edge.train.evaluation import live_check
    from fer_edge.train.evaluation.groups import grouping

    table = tmp_path / "t.csv"
    table.write_text("path,gender,skin,age\na.png,f,F1,Adult\n", "utf-8-sig")
    parts = grouping.partitions(str(table), tmp_path, [Sample(tmp_path / "a.png", "test", 0)])
    assert {part.by: part.names for part in parts[:2]} == {"gender": ("f",), "skin": ("F1",)}
    table.write_text("file,expression,level\na.mp4,Happiness,peak\n", "utf-8-sig")
    assert live_check.read_takes(table)[0].label == "happy"
