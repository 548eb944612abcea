"""Evaluation: figures, groups, folds, the live check, copies; the pure parts by hand, the command on real data."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from fer_edge.bundle import LABELS, Bundle
from fer_edge.bundle.dataset import Dataset, Sample, read_dataset
from fer_edge.errors import DatasetError, UsageError
from fer_edge.train.data import duplicates
from fer_edge.train.data.corruptions import CORRUPTIONS
from fer_edge.train.evaluation import cross_validation, evaluation, intervals, live_check, live_ratings
from fer_edge.train.losses import class_weights, make_loss, mix
from fer_edge.train.network import adjust_classifier, build_network
from fer_edge.train.recipe import load_recipe
from support.labelled import class_folders

Command = Callable[..., subprocess.CompletedProcess[str]]
TINY = load_recipe("tiny")


def test_wilson_interval_against_published_values() -> None:
    assert intervals.wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert intervals.wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert intervals.wilson(0, 0) == (0, 1)


def test_risk_falls_when_only_the_surest_are_answered() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.55, 0.45]], np.float32)
    coverage, risk = evaluation.risk_coverage(probabilities, np.array([0, 0, 1, 0]))
    assert list(coverage) == [0.25, 0.5, 0.75, 1]
    assert list(risk) == pytest.approx([0, 0, 1 / 3, 1 / 4])


def sample(index: int, split: str, label: int, content: str = "") -> Sample:
    return Sample(Path(f"{index}.png"), split, label, content=content or str(index))


def test_every_picture_is_validated_in_one_fold() -> None:
    whole = Dataset(tuple(sample(i, ("train", "valid", "test")[i % 3], i % 7) for i in range(210)))
    parts = cross_validation.folds(whole, 5, seed=42)
    held = [s.path for p in parts for s in p.split("valid")]
    assert sorted(held) == sorted(s.path for s in whole.samples if s.split != "test")
    assert all(p.split("test") == whole.split("test") for p in parts)
    assert all({s.label for s in p.split("valid")} == set(range(7)) for p in parts)
    with pytest.raises(UsageError, match="at least 2"):
        cross_validation.folds(whole, 1, 42)


def test_repeats_report_mean_and_sample_deviation() -> None:
    figures = [dict.fromkeys(cross_validation.FIGURES, v) for v in (0.6, 0.7, 0.8)]
    result = cross_validation.repeat(["a", "b", "c"], lambda i: figures[i])
    assert result["summary"]["accuracy"] == {"mean": pytest.approx(0.7), "std": pytest.approx(0.1)}
    assert "0.7000 ± 0.1000" in cross_validation.table(result)


def test_copies_are_counted_and_training_gives_way() -> None:
    rows = (("train", "a"), ("train", "b"), ("train", "b"), ("valid", "a"), ("test", "a"), ("test", "c"))
    whole = Dataset(tuple(sample(i, split, 1, content) for i, (split, content) in enumerate(rows)))
    kinds = ("test in valid", "test in train", "valid in train", "train in itself")
    assert duplicates.counts(whole) == dict.fromkeys(kinds, 1)
    kept = duplicates.dedupe(whole)
    assert [s.path.stem for s in kept.samples] == ["1", "4", "5"]
    assert duplicates.counts(kept) == {}


def test_copies_are_found_by_pixels_whatever_the_file(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (48, 48, 3), dtype=np.uint8)
    for split, parameters in (("train", [cv2.IMWRITE_PNG_COMPRESSION, 0]), ("valid", [cv2.IMWRITE_PNG_COMPRESSION, 9])):
        (tmp_path / split / "happy").mkdir(parents=True)
        cv2.imwrite(str(tmp_path / split / "happy" / "a.png"), picture, parameters)
    assert duplicates.counts(read_dataset(tmp_path)) == {"valid in train": 1}


def test_real_data_has_copies_across_splits(faces: Path) -> None:
    found = duplicates.counts(read_dataset(faces))
    assert found["test in train"] == 288
    assert "test in train" not in duplicates.counts(duplicates.dedupe(read_dataset(faces)))


def result(label: str, level: str, share: float, subject: str = "1") -> live_ratings.Result:
    return live_ratings.Result(live_ratings.Take(label, level, None, subject), 100, round(100 * share), "yunet")


def test_live_ratings_are_the_published_rule() -> None:
    rate = live_ratings.rating
    assert rate({"subtle": 0.7, "peak": 0.7}) == "Good"
    assert rate({"subtle": 0.1, "peak": 0.9}) == "Moderate"  # in the clearer one only
    assert rate({"subtle": 0.5, "peak": 0.6}) == "Moderate"  # wavers
    assert rate({"subtle": 0.39, "peak": 0.39}) == "Poor"
    assert rate({"peak": 1.0}) is None


def test_live_people_are_counted_beside_the_whole_published_table() -> None:
    people = {"a": (0.9, 0.9), "b": (0.2, 0.9), "c": (0.1, 0.2), "d": (1.0, 1.0)}
    results = [result("angry", "subtle", subtle, who) for who, (subtle, _) in people.items()]
    results += [result("angry", "peak", peak, who) for who, (_, peak) in people.items()]
    results += [result("happy", "peak", 1.0)]
    angry, happy = live_ratings.summarise(results)
    assert [angry[k] for k in ("good", "moderate", "poor", "not_rated")] == [2, 1, 1, 0]
    assert (angry["accuracy"], angry["subtle"]) == (0.5, pytest.approx(0.55))
    assert (happy["not_rated"], happy["accuracy"], happy["subtle"]) == (1, None, None)
    assert angry["published"] == {"good": 1, "moderate": 1, "poor": 12, "accuracy": pytest.approx(1 / 14)}
    text = live_ratings.table([angry, happy])
    assert "2/1/1" in text
    assert "1/1/12" in text
    assert "one of the two levels was not shown: 1 person" in text
    assert "Faces found by yunet.\nGood: " in text
    assert len(live_check.all_takes()) == 14
    assert len({(t.subject, t.label, t.level) for t in live_check.all_takes(people=3)}) == 42


def test_the_published_table_adds_up() -> None:
    """As printed, to a tenth of a per cent, and fourteen people in every row."""
    printed = {
        "happy": 92.9,
        "sad": 71.4,
        "neutral": 85.7,
        "surprise": 71.4,
        "fear": 42.9,
        "disgust": 28.6,
        "angry": 7.1,
    }
    assert {k: round(100 * v.accuracy, 1) for k, v in live_ratings.PUBLISHED.items()} == printed
    assert {v.good + v.moderate + v.poor for v in live_ratings.PUBLISHED.values()} == {14}


def test_live_label_files_that_are_wrong(tmp_path: Path) -> None:
    table = tmp_path / "takes.csv"
    for text, says in (
        ("file,expression\n", "has no column level"),
        ("file,expression,level\na.mp4,bored,peak\n", "line 2: unknown label 'bored'"),
        ("file,expression,level\na.mp4,happy,huge\n", r"line 2: the level is 'huge'"),
        ("file,expression,level,subject\na.mp4,happy,peak,\n", "line 2: the subject is empty"),
    ):
        table.write_text(text)
        with pytest.raises(DatasetError, match=says):
            live_check.read_takes(table)


def test_live_check_on_a_real_clip(clip: Path, command: Command, tmp_path: Path) -> None:
    takes = [f"{clip},{label},{level},anna" for label in ("happy", "angry") for level in ("subtle", "peak")]
    (tmp_path / "takes.csv").write_text("\n".join(["file,expression,level,subject", *takes, f"{clip},happy,peak,ben"]))
    done = command("evaluate", "--live", "takes.csv", "--json", "--out", "o")
    assert done.returncode == 0, done.stderr
    rows = {r["expression"]: r for r in json.loads(done.stdout)}
    assert [rows["happy"][k] for k in ("good", "moderate", "poor", "not_rated")] == [1, 0, 0, 1]
    assert (rows["happy"]["accuracy"], rows["angry"]["poor"], rows["angry"]["accuracy"]) == (1, 1, 0)
    assert rows["angry"]["published"]["poor"] == 12
    assert rows["angry"]["detector"] in ("yunet", "haar")
    assert json.loads((tmp_path / "o" / "live.json").read_text()) == list(rows.values())
    refused = command("evaluate", "--live", "takes.csv", "--people", "2")
    assert refused.returncode == 2
    assert "--people is about a camera" in refused.stderr


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corruptions_change_pictures_and_repeat(name: str) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (48, 40, 3), dtype=np.uint8)
    done = CORRUPTIONS[name](picture, 3)
    assert done.shape == picture.shape
    assert done.dtype == np.uint8
    assert (done != picture).any()
    assert (done == CORRUPTIONS[name](picture, 3)).all()


@pytest.fixture
def few(faces: Path, tmp_path: Path) -> Path:
    """140 real pictures of the test split, with their manifest."""
    with (faces / "manifest.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if r["split"] == "test" and r["label"]][:140]
    folder = tmp_path / "few"
    (folder / "test").mkdir(parents=True)
    with (folder / "manifest.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        for i, row in enumerate(rows):
            (folder / row["path"]).write_bytes((faces / row["path"]).read_bytes())
            table.writerow({**row, "split": "train" if i == 0 else "test"})
    return folder


def test_evaluate_writes_figures_plots_and_mistakes(few: Path, command: Command, tmp_path: Path) -> None:
    with (few / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    ages = ("Young", "Adult", "Senior")
    groups = [f"{r['path']},{'fm'[i % 2]},F{i % 4 + 1},{ages[i % 3]}" for i, r in enumerate(rows)]
    (tmp_path / "g.csv").write_text("path,gender,skin,age\n" + "\n".join(groups) + "\n")
    done = command("evaluate", "--data", few, "--groups", "g.csv", "--out", "o")
    assert done.returncode == 0, done.stderr
    assert "calibration error" in done.stdout
    assert "too small to speak of" in done.stdout
    written = {p.name for p in (tmp_path / "o").iterdir()}
    assert written == {"metrics.json", "confusion.png", "confidence.png", "mistakes.png"}
    figures = json.loads((tmp_path / "o" / "metrics.json").read_text())
    assert figures["images"] == 139
    assert figures["accuracy"] > 0.6
    assert sum(g["pictures"] for g in figures["groups"] if g["by"] == "gender") == 139
    other = json.loads(command("evaluate", "--data", few, "--label", "fer2013_label", "--json").stdout)
    assert other["accuracy"] < figures["accuracy"]


def test_evaluate_says_what_is_missing(few: Path, command: Command, tmp_path: Path) -> None:
    for words, says in (
        ([], "evaluate needs --data"),
        (["--data", few, "--split", "valid"], "no labelled picture in the split 'valid'"),
        (["--data", few, "--label", "mood"], "has no column mood"),
        (["--data", few, "--recipe", "tiny"], "--recipe goes with"),
        (["--data", few, "--recipe", "default", "--seeds", "1", "--label", "mood"], "mixes in 'fer2013_label'"),
        (["--data", few, "--recipe", "tiny", "--seeds", "a"], "whole numbers"),
        (["--data", few, "--checkpoint", "no.pt"], "is not a file"),
    ):
        done = command("evaluate", *words)
        assert done.returncode == 2
        assert says in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.train
def test_a_checkpoint_that_answers_with_no_numbers(command: Command, tmp_path: Path) -> None:
    """As a training leaves it that diverged; the first label would win everywhere."""
    torch = pytest.importorskip("torch", reason="needs the train extra")
    recipe = replace(load_recipe("tiny"), backbone="mobilenetv3_small_100", size=32)
    network = build_network(recipe)
    adjust_classifier(network, float("nan"), np.zeros(len(LABELS)))
    torch.save({"network": network.state_dict(), "recipe": asdict(recipe)}, tmp_path / "best.pt")
    class_folders(tmp_path / "d", each=2)
    done = command("evaluate", "--checkpoint", "best.pt", "--data", "d", "--split", "train")
    assert (done.returncode, done.stdout) == (4, "")
    assert "that are NaN or infinite in" in done.stderr
    assert "epoch_NN.pt" in done.stderr


def test_evaluate_agrees_with_what_the_bundle_states(bundle: Bundle, faces: Path, command: Command) -> None:
    stated = bundle.artifact("onnx", "int8").metrics
    if not str(stated["set"]).startswith(faces.name):
        pytest.skip("the shipped bundle was measured on another set")
    measured = json.loads(command("evaluate", "--data", faces, "--json", "--precision", "int8", timeout=300).stdout)
    assert measured["images"] == stated["images"]
    # int8 kernels differ between processors
    assert measured["accuracy"] == pytest.approx(stated["accuracy"], abs=0.004)
    assert measured["mean_recall"] == pytest.approx(stated["mean_recall"], abs=0.02)


class TestLosses:
    """What needs torch."""

    @pytest.fixture(autouse=True)
    def torch(self) -> object:
        return pytest.importorskip("torch", reason="needs the train extra")

    def test_class_weights_average_to_one(self) -> None:
        share = np.array([0.7, 0.2, 0.1, 0.0])
        weights = class_weights(share, 1.0)
        assert (weights * share).sum() == pytest.approx(1)
        assert weights[2] / weights[0] == pytest.approx(7)
        assert weights[3] == 0

    def test_focal_and_weighted_loss_against_the_formula(self) -> None:
        import torch

        logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
        targets = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]])
        share = np.array([0.5, 0.25, 0.25])
        p = torch.softmax(logits, 1)
        plain = make_loss(TINY, share)(logits, targets)
        assert plain == pytest.approx(float(-(targets * p.log()).sum(1).mean()), abs=1e-6)
        focal = make_loss(replace(TINY, focal=2.0), share)(logits, targets)
        assert focal == pytest.approx(float(-(targets * (1 - p) ** 2 * p.log()).sum(1).mean()), abs=1e-6)
        weighted = make_loss(replace(TINY, class_weight=1.0), share)(logits, targets)
        w = torch.tensor(class_weights(share, 1.0), dtype=torch.float32)
        assert weighted == pytest.approx(float(-(w * targets * p.log()).sum(1).mean()), abs=1e-6)

    def test_mixup_blends_pictures_and_targets_alike(self) -> None:
        import torch

        pictures = torch.stack([torch.full((4, 4, 3), v, dtype=torch.uint8) for v in (0, 100, 200)])
        targets = torch.eye(3)
        mixed, wanted = mix(pictures, targets, 0.4, (1, 2, 3))
        expected = (wanted @ torch.tensor([0.0, 100.0, 200.0])).view(3, 1, 1, 1).expand(3, 4, 4, 3)
        assert torch.allclose(mixed, expected, atol=1e-3)
        assert torch.equal(mix(pictures, targets, 0.4, (1, 2, 3))[0], mixed)
        assert mix(pictures, targets, 0.0, (1,))[0] is pictures


def test_labels_are_the_papers() -> None:
    assert LABELS == ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
