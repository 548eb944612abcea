"""Figures by group: a planted bias is found and none is invented; with labels, without, and into the model card."""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import SHARED, Command
from fer_edge.bundle import LABELS, open_bundle
from fer_edge.bundle.dataset import read_dataset
from fer_edge.bundle.model_card import model_card
from fer_edge.errors import DatasetError, UsageError
from fer_edge.train.data.corruptions import SHIFTS, skin_tone
from fer_edge.train.evaluation import intervals
from fer_edge.train.evaluation.groups import gaps
from fer_edge.train.evaluation.groups.agreement import Opinion, agreement
from fer_edge.train.evaluation.groups.grouping import Partition, partitions
from fer_edge.train.evaluation.options import EvaluateOptions
from fer_edge.train.evaluation.run import Evaluation, evaluate
from fer_edge.train.options import TeacherChoice
from support.bundles import small_bundle

DARK, BRIGHT = 60, 180
ANGRY_BELOW = (0.6, -9.0, -9.0, -9.0, -9.0, -9.0, 0.0)
"""Logits of a small bundle that calls pictures darker than 100 angry, and others surprise."""
HEAD = ("path", "split", "label", "gender", "hand", "town")


def row(index: int, gender: str, label: str, brightness: int) -> tuple[list[str], int]:
    """Hands are dealt out in turn, so that they do not matter; three pictures are of a small town."""
    return [f"{index}.png", "test", label, gender, "lr"[index // 2 % 2], "small" if index < 3 else "big"], brightness


def write(folder: Path, rows: Sequence[tuple[list[str], int]], labelled: bool = True) -> Path:
    folder.mkdir()
    with (folder / "manifest.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(HEAD)
        for cells, brightness in rows:
            table.writerow([*cells[:2], cells[2] if labelled else "", *cells[3:]])
            cv2.imwrite(str(folder / cells[0]), np.full((8, 8, 3), brightness, np.uint8))
    return folder


def biased() -> list[tuple[list[str], int]]:
    """160 pictures: the model is always right about f, and takes every other angry m for surprise."""
    rows = []
    for i in range(160):
        gender, label = "fm"[i % 2], ("angry", "surprise")[i // 80]
        missed = gender == "m" and label == "angry" and i // 4 % 2
        rows.append(row(i, gender, label, BRIGHT if label == "surprise" or missed else DARK))
    return rows


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return small_bundle(tmp_path / "model", LABELS, ANGRY_BELOW)


def measured(data: Path, model: Path, groups: str, **more: object) -> Evaluation:
    return evaluate(EvaluateOptions(data, model, groups=groups, **more))  # type: ignore[arg-type]


def test_a_planted_bias_is_found_and_none_is_invented(tmp_path: Path, model: Path) -> None:
    found = measured(write(tmp_path / "d", biased()), model, "gender,hand,town").figures
    by_name = {(g["by"], g["name"]): g for g in found["groups"]}
    m = by_name["gender", "m"]
    assert (m["pictures"], m["recall"]["angry"]["value"], m["support"]["angry"]) == (80, 0.5, 40)
    assert (m["low"], m["high"]) == pytest.approx((0.645, 0.832), abs=2e-3)
    assert m["calibration_error"]["low"] <= m["calibration_error"]["value"] <= m["calibration_error"]["high"]
    assert by_name["town", "small"]["too_small"]
    gender, hand, town = found["gaps"]
    widest = gender["equal_opportunity"]
    assert (widest["label"], widest["highest"], widest["lowest"]) == ("angry", "f", "m")
    assert 0.3 < widest["difference"]["low"] < widest["difference"]["value"] == 0.5 < widest["difference"]["high"]
    assert widest["by_chance"] < 0.3
    assert (gender["worst_accuracy"]["group"], gender["worst_accuracy"]["figure"]["value"]) == ("m", 0.75)
    assert gender["worst_mean_recall"]["figure"]["value"] == 0.75
    assert gender["p"] == pytest.approx(1 / (gender["permutations"] + 1))
    assert gender["p_holm"] == pytest.approx(3 * gender["p"])
    assert hand["p"] > 0.2
    assert (town["compared"], town["too_small"], town["equal_opportunity"]) == (("big",), ("small",), None)


def test_the_permutation_test_against_every_permutation() -> None:
    """Of 5 and 5 pictures of one label, 5 right by the first group and 1 by the second: Fisher's exact 0.0476."""
    right = np.array([1] * 5 + [1, 0, 0, 0, 0])
    logits = np.eye(2, dtype=np.float32)[right]
    (gap,) = gaps.gaps([Partition("g", ("a", "b"), np.repeat([0, 1], 5))], logits, np.ones(10, np.int64), "xy")
    assert gap.p == pytest.approx(0.0476, abs=0.008)
    assert gap.compared == ()


def test_what_people_show_is_no_bias() -> None:
    """The model finds 9 of 10 happy and 5 of 10 sad faces of either group, but one of them is mostly happy."""
    truth = np.repeat([0, 1, 0, 1], (90, 10, 10, 90))
    right = np.concatenate([np.arange(n) % 10 < share for n, share in ((90, 9), (10, 5), (10, 9), (90, 5))])
    logits = np.eye(2, dtype=np.float32)[np.where(right, truth, 1 - truth)]
    part = Partition("g", ("smiling", "not"), np.repeat([0, 1], 100))
    (gap,) = gaps.gaps([part], logits, truth, ("happy", "sad"))
    assert gap.worst_accuracy is not None
    assert gap.worst_accuracy.figure.value == 0.54
    assert gap.p > 0.9
    assert gap.p_overall < 0.01
    assert gap.equal_opportunity is not None
    assert gap.equal_opportunity.difference.value == 0


def test_holm_against_a_worked_example() -> None:
    assert gaps.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert gaps.holm([0.9, 0.8]) == [1, 1]


def test_columns_and_crossings_that_were_asked_for(tmp_path: Path, model: Path) -> None:
    data = write(tmp_path / "d", biased())
    table = tmp_path / "g.csv"
    table.write_text("path,sex,site\n0.png,f,\n1.png, m ,north\n")
    for asked, by in (
        ("gender", ["gender"]),
        ("gender+hand,town", ["gender x hand", "town"]),
        (str(table), ["sex", "site", "sex x site"]),
        (f"{table},sex", ["sex"]),
    ):
        found = measured(data, model, asked)
        assert [g["by"] for g in found.figures["gaps"]] == by
    assert {(g["name"], g["pictures"]) for g in found.figures["groups"]} == {("f", 1), ("m", 1)}


@pytest.mark.parametrize(
    ("table", "asked", "says"),
    [
        ("path,sex\n0.png,f\n", "mood", "has no column mood"),
        ("path,sex\n0.png,f\n0.png,m\n", "sex", "line 3: 0.png was put into other groups"),
        ("path,sex\n0.png,f\n1.png,F\n", "sex", "in two ways"),
        ("path,sex\n0.png,\n", "sex", "the column sex is empty"),
        ("path,sex\nno.png,f\n", "sex", "names a picture of"),
        ("path,sex\n0.png,\n1.png,f\n", "sex", "no picture is in a group by sex"),
        ("path,years\n" + "".join(f"{i}.png,{i}\n" for i in range(30)), "years", "30 different values"),
        ("path,label\n0.png,happy\n", "", "names no column"),
    ],
)
def test_tables_that_make_no_groups(tmp_path: Path, table: str, asked: str, says: str) -> None:
    (tmp_path / "g.csv").write_text(table)
    data = write(tmp_path / "d", biased()[:1])
    samples = read_dataset(data, any_label=True).samples
    with pytest.raises((DatasetError, UsageError), match=says):
        partitions(f"{tmp_path / 'g.csv'},{asked}", data, samples)


def test_without_labels_answers_are_compared(tmp_path: Path, model: Path) -> None:
    """The other model agrees on dark pictures alone: it calls every picture angry, in other words and order."""
    other = small_bundle(tmp_path / "other", ("Surprise", "anger"), (0, 9))
    data = write(tmp_path / "d", biased(), labelled=False)
    found = measured(data, model, "gender", against=(TeacherChoice(other),), corrupt=True)
    assert found.truth is None
    women = found.figures["answers"][0]
    assert (women["name"], women["shares"]["angry"]["value"], women["shares"]["happy"]["value"]) == ("f", 0.5, 0)
    assert 0.5 < women["confidence"]["value"] < 1
    against = found.figures["against"]
    assert against["agreement"]["value"] == 60 / 160
    assert [g["accuracy"] for g in against["groups"]] == [0.5, 0.25]
    assert against["gaps"][0]["p"] < 0.01
    assert {a["name"]: a["pictures"] for a in against["agreed"]} == {"f": 40, "m": 20}
    assert set(found.figures["shifts"]) == set(SHIFTS)
    unchanged = {name: shift["groups"][0]["accuracy"] for name, shift in found.figures["shifts"].items()}
    assert (unchanged["dark"], unchanged["cold light"]) == (1, 1)
    assert found.groups is not None
    text = found.groups.text()
    assert "label 30 pictures of each of 7 expressions in each of 2 groups by gender: 420 pictures" in text
    assert f"fer-edge evaluate --bundle {model} --data {data} --split test --groups gender" in text


def logs(*rows: Sequence[float]) -> np.ndarray:
    return np.log(np.array(rows, np.float32))


def test_several_models_answer_as_one() -> None:
    """Four faces, two others of weights 1 and 3: they are at one on three, and the heavier one decides the second."""
    mine = logs((0.9, 0.1), (0.9, 0.1), (0.1, 0.9), (0.9, 0.1))
    one = logs((0.6, 0.4), (0.2, 0.8), (0.2, 0.8), (0.4, 0.6))
    other = logs((0.8, 0.2), (0.7, 0.3), (0.4, 0.6), (0.2, 0.8))[:, ::-1]  # its labels are in another order
    others = [Opinion("A", ("x", "y"), one), Opinion("B", ("y", "x"), other, 3)]
    found = agreement([Partition("g", ("a", "b"), np.array([0, 0, 1, 1]))], mine, ("x", "y"), others)
    assert found.name == "A + B (weight 3)"
    # x: (.6 + 3 * .8) / 4 = .75, (.2 + 3 * .7) / 4 = .575, (.2 + 3 * .4) / 4 = .35, (.4 + 3 * .2) / 4 = .25
    assert found.share.value == 0.75
    assert found.unanimous is not None
    assert (found.unanimous.pictures, found.unanimous.share.value) == (3, pytest.approx(2 / 3))
    assert {g.name: (g.pictures, g.correct) for g in found.unanimous.compared.groups} == {"a": (1, 1), "b": (2, 1)}
    assert list(found.same) == [True, False, True, False]
    told = [(c.name, c.pictures, c.error.value) for c in found.calibration]
    # .9 is said four times, of what they give .75, .575, .65 and .25
    assert told == [
        ("faces", 4, pytest.approx(0.9 - 0.55625, abs=1e-6)),
        ("a", 2, pytest.approx(0.9 - 0.6625, abs=1e-6)),
        ("b", 2, pytest.approx(0.9 - 0.45, abs=1e-6)),
    ]


def test_a_soft_calibration_is_the_hard_one_where_others_are_sure() -> None:
    rng = np.random.default_rng(0)
    logits, truth = rng.normal(size=(60, 3)).astype(np.float32), rng.integers(0, 3, 60)
    sure = np.eye(3, dtype=np.float32)[truth]
    assert intervals.soft_calibration(logits, sure) == intervals.calibration(logits, truth)


def test_against_several_without_groups(tmp_path: Path, model: Path, command: Command) -> None:
    """The model says angry of 60 dark pictures of 160; one other says it of all, one of those darker than 55."""
    always = small_bundle(tmp_path / "always", ("Surprise", "anger", "contempt"), (0, 9, 20))
    write(tmp_path / "d", biased(), labelled=False)
    words = ("--bundle", model, "--data", "d", "--against", always, "--against", f"{model},weight=2", "--out", "o")
    done = command("evaluate", *words)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "o" / "metrics.json").read_text())["against"]
    assert found["model"] == "small 1, model.onnx + small 1, model.onnx (weight 2)"
    assert found["unanimous"]["pictures"] == 60
    assert found["unanimous"]["agreement"]["value"] == 1
    (group,) = found["groups"]
    assert (group["by"], group["name"], group["pictures"]) == ("all", "faces", 160)
    assert found["gaps"] == []
    (soft,) = found["calibration"]
    assert 0 < soft["error"]["low"] <= soft["error"]["value"] <= soft["error"]["high"] < 1
    assert f"--against {model} is the measured model, which agrees with itself" in done.stderr
    assert "60 of 160 pictures: agreement 1.000" in done.stdout
    assert "calibration error against their probabilities" in done.stdout
    assert "where the model is right was not measured" in done.stdout
    assert done.stdout.splitlines()[-2].endswith(f"fer-edge evaluate --bundle {model} --data d --split test")


def test_a_margin_is_cut_off(tmp_path: Path, model: Path) -> None:
    """A dark face in a bright frame is angry once the frame is off; the command that is advised says so, too."""
    data = write(tmp_path / "d", biased()[:4], labelled=False)
    picture = np.full((48, 48, 3), 255, np.uint8)
    picture[4:44, 4:44] = DARK
    for path in data.glob("*.png"):
        cv2.imwrite(str(path), picture)
    for margin, angry in ((0.0, 0.0), (0.2, 1.0)):
        found = measured(data, model, "gender", margin=margin)
        assert [a["shares"]["angry"]["value"] for a in found.figures["answers"]] == [angry] * 2
    assert "--margin 0.2 --groups gender" in found.figures["advice"]
    with pytest.raises(UsageError, match="--margin is at least 0"):
        measured(data, model, "gender", margin=-0.1)


def test_with_labels_shifts_are_held_against_them(tmp_path: Path, model: Path) -> None:
    found = measured(write(tmp_path / "d", biased()[60:100]), model, "gender", corrupt=True).figures
    dark = found["shifts"]["dark"]
    assert {g["name"]: g["recall"]["surprise"]["value"] for g in dark["groups"]} == {"f": 0, "m": 0}
    assert dark["gaps"][0]["p_holm"] == min(1, len(SHIFTS) * dark["gaps"][0]["p"])
    assert "warm light" not in found["corrupted"]


def test_the_card_says_what_was_measured_and_by_what(tmp_path: Path, model: Path) -> None:
    none = "No figures by gender, age or skin colour were measured."
    assert none in model_card(open_bundle(model).manifest)
    measured(write(tmp_path / "d", biased()), model, "gender,gender+hand", card=True)
    card = model_card(open_bundle(model).manifest)
    assert none not in card
    assert "| gender: m | 80 | 0.750 (0.645 to 0.832) |" in card
    assert "angry 0.50, surprise 1.00 |" in card
    assert "- gender: equal opportunity: recall of angry differs by 0.500" in card
    assert "Figures by gender, hand stand above; none by anything else were measured." in card
    other = (TeacherChoice(small_bundle(tmp_path / "other", LABELS, ANGRY_BELOW)),)
    measured(write(tmp_path / "u", biased(), labelled=False), model, "gender", against=other, card=True)
    card = model_card(open_bundle(model).manifest)
    assert "agreement with another model, `small 1, model.onnx`, is no accuracy" in card
    assert "Calibration error against their probabilities: 0.000 (0.000 to 0.000)." in card


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"card": True, "bundle": None}, "which --bundle has to name"),
        ({"card": True}, "give no figures by group for a model card"),
        ({"against": (TeacherChoice(Path("x"), 0.0),)}, "--against x: a weight must be above 0"),
        ({"against": (TeacherChoice(Path("x.onnx")),)}, "--against takes a bundle, and x.onnx is a bare graph"),
        ({"against": (TeacherChoice(Path("x")),), "resting": "gender"}, "which face is at rest is not known"),
        ({"card": True, "groups": None}, "--card is about figures by group or with a resting face"),
        ({"split": "valid"}, "no picture in the split 'valid'"),
    ],
)
def test_what_does_not_go_together(tmp_path: Path, model: Path, more: dict[str, object], says: str) -> None:
    data = write(tmp_path / "d", biased()[:4], labelled=False)
    with pytest.raises((DatasetError, UsageError), match=says):
        evaluate(EvaluateOptions(**{"data": data, "bundle": model, "groups": "gender", **more}))  # type: ignore[arg-type]


def test_skin_is_darkened_and_eyes_are_not() -> None:
    picture = np.full((30, 30, 3), (200, 150, 120), np.uint8)
    picture[3:6, 3:6] = 255
    darker = skin_tone(picture, 0.7)
    assert darker[15, 15].max() < 160
    assert darker[4, 4].min() > 230


def test_colour_faces_that_nobody_labelled(command: Command, tmp_path: Path) -> None:
    """120 pictures of the real set, and the whole command."""
    archive = SHARED / "data" / "utkface.zip"
    if not archive.exists():
        pytest.skip("needs data/utkface.zip from the shared folder, which is not beside this checkout")
    with zipfile.ZipFile(archive) as packed:
        head, *rows = packed.read("utkface/manifest.csv").decode().splitlines()
        kept = rows[:: len(rows) // 120][:120]
        for line in kept:
            packed.extract(f"utkface/{line.split(',')[0]}", tmp_path)
    (tmp_path / "utkface" / "manifest.csv").write_text("\n".join([head, *kept]))
    done = command("evaluate", "--data", "utkface", "--groups", "gender,ethnicity,age", "--out", "o")
    assert done.returncode == 0, done.stderr
    assert "nobody labelled an expression: answers to 120 pictures" in done.stderr
    figures = json.loads((tmp_path / "o" / "metrics.json").read_text())
    assert figures["split"] == "all"
    for column in ("gender", "ethnicity", "age"):
        assert sum(a["pictures"] for a in figures["answers"] if a["by"] == column) == 120
    assert "accuracy" not in figures
    assert "gender: F" in done.stdout
    assert done.stdout.splitlines()[-2].endswith("--data utkface --split train --groups gender,ethnicity,age")
