"""Several sets, several teachers: what is read, what is asked for each face, and how often it is drawn."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fer_edge.bundle import LABELS
from fer_edge.bundle.dataset import Sample, read_face
from fer_edge.cli.main import main
from fer_edge.errors import DatasetError, UsageError
from fer_edge.train.data.mixture import describe_sets, first_set, read_sets, without_labels
from fer_edge.train.data.sampling import draw_weights, rebalance
from fer_edge.train.data.targets import training_targets
from fer_edge.train.evaluation.predict import MIN_PART, agreement, parts_of
from fer_edge.train.fit import fit
from fer_edge.train.options import NO_LABELS, TrainingSet
from fer_edge.train.recipe import load_recipe, parse_recipe
from fer_edge.train.teachers.answers import answers_once
from fer_edge.train.teachers.ensemble import Member, at_every_step, mean_probabilities
from support.labelled import class_folders

TINY = load_recipe("tiny")
ONCE = replace(TINY, distill=0.5, distill_answers="once", distill_temperature=1.0)


def manifest(root: Path, rows: Sequence[Mapping[str, Any]], side: int = 48) -> Path:
    """A set with a manifest and random pictures; rows without a path get one."""
    root.mkdir()
    rows = [{"path": f"{root.name}{i}.png", "split": "train", "label": "", **row} for i, row in enumerate(rows)]
    rng = np.random.default_rng(len(root.name))
    for row in rows:
        cv2.imwrite(str(root / row["path"]), rng.integers(0, 255, (side, side, 3), dtype=np.uint8))
    with (root / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return root


@pytest.fixture
def colour(tmp_path: Path) -> Path:
    """A set as utkface is: no labels, groups, wider framing."""
    return manifest(tmp_path / "colour", [{"gender": g, "age": "young"} for g in "MMMF"], side=134)


@pytest.fixture
def weak(tmp_path: Path) -> Path:
    """A set as ffhq_emotion is: a source that names each picture, and labels that are not to be believed."""
    rows = [{"label": "happy", "source": f"Some (part):happy/{i}.png", "synthetic": "1"} for i in range(3)]
    return manifest(tmp_path / "weak", rows)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return class_folders(tmp_path / "plain")


def sets(plain: Path, colour: Path, weak: Path) -> tuple[TrainingSet, ...]:
    return (
        TrainingSet(plain, share=0.5),
        TrainingSet(colour, margin=0.2),
        TrainingSet(weak, labels=NO_LABELS),
    )


def test_sets_are_read_as_one(plain: Path, colour: Path, weak: Path) -> None:
    data = read_sets(sets(plain, colour, weak), replace(TINY, groups=("gender", "age")))
    by_set = {name: [s for s in data.samples if s.collection == name] for name in ("plain", "colour", "weak")}
    assert {s.groups for s in by_set["colour"]} == {("M", "young"), ("F", "young")}
    assert read_face(by_set["colour"][0]).shape == (112, 112, 3)  # the training pictures' framing
    assert {(s.source, s.synthetic, s.label) for s in by_set["weak"]} == {("Some (part)", True, None)}
    assert {s.source for s in by_set["plain"]} == {"plain"}
    assert dict(data.shares) == pytest.approx({"plain": 0.5, "colour": 0.5 * 4 / 7, "weak": 0.5 * 3 / 7})
    assert describe_sets(data)[2] == "weak: train 3, 0 labelled, 3 synthetic; 21% of what training draws"
    assert {s.collection for s in first_set(data).samples} == {"plain"}
    assert [one.stated for one in sets(plain, colour, weak)] == [
        "plain,share=0.5",
        "colour,margin=0.2",
        "weak,labels=none",
    ]


def test_each_set_may_have_a_label_map_of_its_own(tmp_path: Path) -> None:
    raf, affect = (class_folders(tmp_path / name, ("1", "2")) for name in ("raf", "affect"))
    data = read_sets((TrainingSet(raf, labels="raf-db"), TrainingSet(affect, labels="affectnet")), TINY)
    found = {(s.collection, LABELS[s.label]) for s in data.samples if s.label is not None}
    assert found == {("raf", "surprise"), ("raf", "fear"), ("affect", "happy"), ("affect", "sad")}


def test_a_column_that_no_set_has_is_named(colour: Path, plain: Path) -> None:
    with pytest.raises(DatasetError, match="no set of --data has a column skin"):
        read_sets((TrainingSet(colour), TrainingSet(plain)), replace(TINY, groups=("gender", "skin")))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("plain,share=0.7", "colour,share=0.7"), "shares of the sets sum to 1.4"),
        (("plain,share=0.3", "colour,share=0.3"), "shares of the sets sum to 0.6"),
        (("plain", "plain"), "two sets are called plain"),
        (("plain,share=much",), "share must be a number, not much"),
        (("plain,weight=1",), "weight=1 is none of share=…, margin=…, labels=…, name=…"),
        (("plain", "colour,margin=0.2"), "no training picture of colour has a label"),
    ],
)
@pytest.mark.usefixtures("plain", "colour")
def test_the_command_refuses_what_cannot_be_meant(
    words: tuple[str, ...],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("torch", reason="needs the train extra")
    monkeypatch.chdir(tmp_path)
    given = [w for word in words for w in ("--data", word)]
    assert main(["train", *given, "--recipe", "tiny", "--out", "b"]) == 2
    assert says in capsys.readouterr().err


def test_labels_that_are_only_some_are_said_at_the_start(
    plain: Path, weak: Path, colour: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The third set, which this recipe cannot use, ends the command before it trains."""
    pytest.importorskip("torch", reason="needs the train extra")
    monkeypatch.chdir(plain.parent)
    told = "weak has only 1 of the 7 labels (happy)"
    for given, said in (("weak", True), ("weak,labels=none", False)):
        assert (
            main(["train", "--data", "plain", "--data", given, "--data", "colour", "--recipe", "tiny", "--out", "b"])
            == 2
        )
        assert (told in capsys.readouterr().out) == said


def test_a_share_of_what_has_no_labels_is_held_out(plain: Path, weak: Path, tmp_path: Path) -> None:
    colour = manifest(tmp_path / "many", [{"gender": "M"} for _ in range(40)])
    own = manifest(tmp_path / "own", [{"split": split} for split in ("train", "train", "valid")])
    given = (TrainingSet(plain), TrainingSet(colour), TrainingSet(own), TrainingSet(weak))
    plainly, again, data = (read_sets(given, replace(ONCE, hold_out=share)) for share in (0.0, 0.05, 0.05))
    assert [s.collection for s in without_labels(plainly.split("valid"))] == ["own"]
    assert [s.collection for s in without_labels(data.split("valid"))] == ["many", "many", "own"]
    assert data == again
    assert [s for s in data.samples if s.collection in ("plain", "weak")] == [
        s for s in plainly.samples if s.collection in ("plain", "weak")
    ]
    assert "many: no labels and no split for validation: 2 pictures (5% by seed 42) are held out" in " ".join(
        data.notices
    )
    with pytest.raises(UsageError, match=r"hold_out is a share of at most 0\.5, and wants teachers"):
        parse_recipe("x", {"hold_out": 0.05}, "x.toml")


def face(label: int | None, votes: tuple[float, ...] = ()) -> Sample:
    return Sample(Path("x.png"), "train", label, votes=votes)


def test_answers_join_the_labels_and_stand_alone_without_them() -> None:
    answers = np.full((3, 7), 1 / 7, np.float32)
    nobody = (0.0,) * 6 + (1.0,)
    kept, rows = training_targets([face(3), face(None), face(None, nobody)], ONCE, answers)
    assert len(kept) == 2  # the third is no face by its taggers' votes
    assert rows[0, 3] == pytest.approx(0.5 + 0.5 / 7)
    assert rows[1] == pytest.approx(answers[1])


def test_teachers_are_averaged_by_weight_and_over_mirror_images() -> None:
    sure, unsure = np.log([[0.9, 0.1]]), np.log([[[0.5, 0.5], [0.7, 0.3]]])
    said = mean_probabilities([sure.astype(np.float32), unsure.astype(np.float32)], [1, 3], 1.0)
    assert said[0] == pytest.approx([(0.9 + 3 * 0.6) / 4, (0.1 + 3 * 0.4) / 4])
    members = [Member("a", lambda crops: sure.astype(np.float32), 48), Member("b", lambda crops: -sure, 48)]
    logits = at_every_step(members, 48, 2.0)(np.zeros((1, 48, 48, 3), np.uint8))
    assert logits[0, 0] == pytest.approx(logits[0, 1])
    with pytest.raises(UsageError, match="the teacher a takes faces of 48 pixels, the recipe of 96"):
        at_every_step(members, 96, 2.0)


def test_a_picture_is_asked_about_once(plain: Path, tmp_path: Path) -> None:
    """Interrupted after the first pictures, the next run asks about the rest; the one after that nobody."""
    samples = read_sets((TrainingSet(plain),), TINY).split("train")
    asked: list[int] = []

    def ask(crops: np.ndarray) -> np.ndarray:
        if len(asked) == 2:
            asked.append(0)
            raise KeyboardInterrupt
        asked.append(len(crops))
        bright = crops[:, :, : crops.shape[2] // 2].mean(axis=(1, 2, 3)).astype(np.float32)  # of the left half
        return np.stack([bright, *[np.zeros_like(bright)] * 6], axis=1)

    one = Member("stub", ask, 56, sha256="ab")
    with pytest.raises(KeyboardInterrupt):
        answers_once([one], samples, tmp_path, 1.0)
    said: list[str] = []
    first = answers_once([one], samples, tmp_path, 1.0, say=said.append)
    assert said == ["stub answered 16 pictures before"]
    assert sum(asked) == 2 * len(samples)  # the picture and its mirror image
    assert answers_once([one], samples, tmp_path, 1.0) == pytest.approx(first)
    assert sum(asked) == 2 * len(samples)
    answers_once([replace(one, sha256="cd")], samples, tmp_path, 1.0)
    assert sum(asked) == 4 * len(samples)  # another graph is another teacher


def test_draws_follow_labels_groups_sources_and_shares() -> None:
    def of(collection: str, group: str, source: str) -> Sample:
        return Sample(Path("x.png"), "train", 0, source=source, groups=(group,), collection=collection)

    faces = [of("a", "M", "s")] * 3 + [of("a", "F", "t")] + [of("b", "M", "t")] * 4
    targets = np.eye(7, dtype=np.float32)[[0] * 8]
    assert draw_weights(faces, targets, TINY) is None
    recipe = replace(TINY, groups=("gender",), group_balance=1.0)
    weights = draw_weights(faces, targets, recipe, [("a", 0.8), ("b", 0.2)])
    assert weights is not None
    assert weights[:3].sum() == pytest.approx(0.4)
    assert weights[3] == pytest.approx(0.4)
    assert weights[4:].sum() == pytest.approx(0.2)
    by_source = draw_weights(faces, targets, replace(TINY, source_balance=1.0))
    assert by_source is not None
    assert by_source[:3].sum() == pytest.approx(0.5)
    half = rebalance(np.array([0.8, 0.2]), ["x", "y"], 0.5, ["", ""])
    assert half[0] / half[1] == pytest.approx(2)
    unknown = draw_weights([*faces, of("a", "", "s"), of("a", "", "s")], np.eye(7, dtype=np.float32)[[0] * 10], recipe)
    assert unknown is not None
    assert unknown[8:] == pytest.approx([0.1, 0.1])  # as if nothing was balanced
    assert (unknown[:3].sum(), unknown[3]) == pytest.approx((0.2, 0.2))


def test_parts_are_sources_and_groups_that_are_large_enough(tmp_path: Path) -> None:
    faces = [Sample(Path("x.png"), "valid", 0, source="a" if i < 40 else "b", groups=("MF"[i % 2],)) for i in range(80)]
    assert set(parts_of(faces, ["gender"])) == {"source a", "source b", "gender M", "gender F"}
    assert parts_of(faces[: MIN_PART - 1], ["gender"]) == {}


def test_worst_group_needs_groups(plain: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs the train extra")
    with pytest.raises(UsageError, match=r"selects by .worst_group., and .* 0 sources or groups"):
        fit(replace(TINY, select="worst_group"), read_sets((TrainingSet(plain),), TINY), tmp_path / "work")
    with pytest.raises(UsageError, match="asks for the columns age, which were not read"):
        fit(replace(TINY, groups=("age",)), read_sets((TrainingSet(plain),), TINY), tmp_path / "work")
    with pytest.raises(UsageError, match="group_balance wants groups"):
        parse_recipe("x", {"group_balance": 1.0}, "x.toml")


@pytest.mark.train
def test_a_mixture_is_learnt_from_answers(plain: Path, colour: Path, weak: Path, tmp_path: Path) -> None:
    """Unlabelled sets, warm-up sizes and mixup beside two teachers; the history tells the worst of the sources."""
    pytest.importorskip("torch", reason="needs the train extra")
    recipe = replace(ONCE, backbone="mobilenetv3_small_100", size=40, warm_size=32, warm_epochs=1, mixup=0.2, batch=64)
    more = class_folders(tmp_path / "more", each=25)
    twice = [Member(name, lambda crops: np.zeros((len(crops), 7), np.float32), 56, sha256=name) for name in "ab"]
    many = (TrainingSet(class_folders(tmp_path / "many", each=25)), TrainingSet(more), *sets(plain, colour, weak)[1:])
    fitted = fit(replace(recipe, select="worst_group"), read_sets(many, recipe), tmp_path / "work", teachers=twice)
    row = fitted.history[-1]
    assert row["worst_group"] == min(row["accuracy of source many"], row["accuracy of source more"])


@pytest.mark.train
def test_agreement_with_the_teachers_is_told_by_epoch(plain: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs the train extra")
    many = manifest(tmp_path / "many", [{"gender": "MF"[i % 2]} for i in range(140)])
    recipe = replace(ONCE, backbone="mobilenetv3_small_100", size=32, batch=64, groups=("gender",), hold_out=0.5)
    recipe = replace(recipe, epochs=1)
    data = read_sets((TrainingSet(plain), TrainingSet(many)), recipe)
    asked: list[int] = []

    def ask(crops: np.ndarray) -> np.ndarray:
        asked.append(len(crops))
        return np.eye(7, dtype=np.float32)[[0] * len(crops)]

    said: list[str] = []
    teacher = Member("t", ask, 56, sha256="t")
    (row,) = fit(recipe, data, tmp_path / "work", teachers=[teacher], say=said.append).history
    shares = [row[f"agreement of {name}"] for name in ("all", "gender F", "gender M")]
    count = {g: sum(s.groups == (g,) for s in data.split("valid")) for g in "FM"}
    assert shares[0] == pytest.approx((shares[1] * count["F"] + shares[2] * count["M"]) / 70)
    assert any("agreement with the teachers on held-out faces without labels: all " in line for line in said)
    assert sum(asked) == 2 * (140 + len(data.split("train")) - 70)
    fit(recipe, data, tmp_path / "work", teachers=[teacher], resume=True)
    assert sum(asked) == 2 * (140 + len(data.split("train")) - 70)


@pytest.mark.train
def test_agreement_of_all_by_set_and_by_group(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs the train extra")

    class Bright(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.somewhere = torch.nn.Parameter(torch.zeros(1))

        def forward(self, faces: Any) -> Any:
            return torch.eye(7)[(faces.float().mean((1, 2, 3)) > 100).long()]

    flat = []
    for i, brightness in enumerate((50, 150, 150, 50)):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((8, 8, 3), brightness, np.uint8))
        flat.append(Sample(tmp_path / f"{i}.png", "valid", None, collection="a" if i < 2 else "b", groups=("M",)))
    answers = np.eye(7, dtype=np.float32)[[0, 1, 1, 1]]
    assert agreement(Bright(), flat, answers, 32, ["gender"]) == {"all": 0.75}  # too few by set and group
    found = agreement(Bright(), flat * 15, np.tile(answers, (15, 1)), 32, ["gender"])
    assert found == {"all": 0.75, "source a": 1.0, "source b": 0.5, "gender M": 0.75}
