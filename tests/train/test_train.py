"""Training on a small part of the real data, and every kind of bad data."""

from __future__ import annotations

import csv
import math
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fer_edge.bundle import LABELS, softmax
from fer_edge.bundle.dataset import Dataset, Sample, balanced, read_dataset, stratified_split
from fer_edge.cli.sweep import BACKBONES
from fer_edge.errors import DatasetError, OutputError, TrainingDiverged, UsageError
from fer_edge.export.metrics import calibration_error, fit_raise, fit_temperature, report
from fer_edge.train import fit as fitting
from fer_edge.train.data.augment import build_augment
from fer_edge.train.data.sampling import by_label, label_share
from fer_edge.train.data.targets import training_targets
from fer_edge.train.evaluation.predict import labelled, predict
from fer_edge.train.fit import fit
from fer_edge.train.learner import rate_at
from fer_edge.train.network import adjust_classifier, build_network, fold_luma
from fer_edge.train.progress.checkpoint import write_checkpoint
from fer_edge.train.recipe import load_recipe, parse_recipe, recipe_names
from fer_edge.train.run import describe_data
from fer_edge.train.teachers.ensemble import Member
from fer_edge.train.torch_import import import_torch
from support.labelled import class_folders as folders

TINY = load_recipe("tiny")


def table(root: Path, rows: list[dict[str, Any]]) -> Path:
    root.mkdir(exist_ok=True)
    cv2.imwrite(str(root / "a.png"), np.zeros((48, 48, 3), np.uint8))
    with (root / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return root


def test_class_folders_are_split_by_label_and_seed(tmp_path: Path) -> None:
    data = read_dataset(folders(tmp_path / "d", each=10))
    assert len(data.split("train")) == 56
    assert {s.label for s in data.split("valid")} == set(range(7))
    assert read_dataset(tmp_path / "d") == data
    assert read_dataset(tmp_path / "d", seed=1).split("valid") != data.split("valid")


def test_split_folders_are_taken_as_they_are(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        folders(tmp_path / "d" / split, each=2)
    data = read_dataset(tmp_path / "d")
    assert [len(data.split(s)) for s in ("train", "valid", "test")] == [14, 14, 14]


def test_unreadable_pictures_are_named_and_left_out(tmp_path: Path) -> None:
    root = folders(tmp_path / "d")
    (root / "happy" / "empty.png").touch()
    (root / "sad" / "cut.jpg").write_bytes((root / "sad" / "0.jpg").read_bytes()[:100])
    data = read_dataset(root)
    assert sorted(s.path.name for s in data.unreadable) == ["cut.jpg", "empty.png"]
    assert len(data.samples) == 35


def test_unknown_label(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"bored: unknown label 'bored'"):
        read_dataset(folders(tmp_path / "d", ("happy", "bored")))


def test_empty_class(tmp_path: Path) -> None:
    root = folders(tmp_path / "d")
    (root / "fear2").mkdir()
    (root / "fear2").rename(root / "contempt")
    with pytest.raises(DatasetError, match="unknown label 'contempt'"):
        read_dataset(root)
    shutil.rmtree(root / "contempt")
    for picture in (root / "fear").iterdir():
        picture.unlink()
    with pytest.raises(DatasetError, match="fear holds no picture"):
        read_dataset(root)


def test_missing_class_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    describe_data(read_dataset(folders(tmp_path / "d", LABELS[:5])), False, said.append)
    assert "no training picture is labelled sad, surprise: the model will hardly know it" in said


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="does not exist"):
        read_dataset(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="no readable training picture"):
        read_dataset(tmp_path)


def test_csv_without_its_columns(tmp_path: Path) -> None:
    root = table(tmp_path / "d", [{"path": "a.png", "label": "happy"}])
    with pytest.raises(DatasetError, match="has no column split"):
        read_dataset(root)
    root = table(tmp_path / "d", [{"path": "a.png", "split": "train", "label": "happy"}])
    assert len(read_dataset(root).samples) == 1
    with pytest.raises(DatasetError, match="has no column fer2013_label"):
        read_dataset(root, second_label="fer2013_label")


def test_csv_with_a_bad_row(tmp_path: Path) -> None:
    for row, says in (
        ({"path": "a.png", "split": "train", "label": "bored"}, r"line 2: unknown label 'bored'"),
        ({"path": "a.png", "split": "later", "label": "sad"}, r"line 2: the split must be"),
        ({"path": "a.png", "split": "train", "label": "sad", **dict.fromkeys(LABELS, "many")}, "line 2: a vote is not"),
    ):
        with pytest.raises(DatasetError, match=says):
            read_dataset(table(tmp_path / "d", [row]))


def test_real_manifest(faces: Path) -> None:
    data = read_dataset(faces, "fer2013_label")
    assert [len(data.split(s)) for s in ("train", "valid", "test")] == [28558, 3579, 3573]
    assert not data.unreadable
    samples, targets = training_targets(data.split("train"), load_recipe("default"))
    assert len(samples) == len(targets) > 28000
    assert np.allclose(targets.sum(axis=1), 1, atol=1e-5)
    assert targets[:, LABELS.index("fear")].mean() > 0.06  # the second label column brings fear back


def sample(label: int | None, votes: tuple[float, ...] = (), second: int | None = None) -> Sample:
    return Sample(Path("x.png"), "train", label, second, votes)


def test_targets_mix_votes_and_the_second_label() -> None:
    recipe = replace(TINY, labels="votes", second_share=0.25)
    votes = (0.0, 0.0, 2.0, 0.0, 6.0, 0.0, 0.0)
    (_,), (row,) = training_targets([sample(4, votes, second=2)], recipe)
    assert row == pytest.approx([0, 0, 0.25 * 0.75 + 0.25, 0, 0.75 * 0.75, 0, 0])
    with pytest.raises(DatasetError, match="no training picture has what the recipe"):
        training_targets([sample(4)], recipe)


def test_label_smoothing_and_unlabelled_samples() -> None:
    kept, rows = training_targets([sample(3), sample(None)], replace(TINY, label_smoothing=0.07))
    assert len(kept) == 1
    assert rows[0][3] == pytest.approx(0.93 + 0.01)


@pytest.mark.parametrize(("balance", "share"), [(0.0, 0.1), (0.5, 0.25), (1.0, 0.5)])
def test_rare_labels_are_drawn_more_often(balance: float, share: float) -> None:
    targets = np.eye(7, dtype=np.float32)[[0] * 90 + [1] * 10]
    assert label_share(targets, by_label(targets, balance))[1] == pytest.approx(share)


def test_balanced_choice() -> None:
    many = [Sample(Path(f"{i}.png"), "train", 0 if i < 90 else 1) for i in range(100)]
    chosen = balanced(many, 16, seed=1)
    assert sum(s.label for s in chosen if s.label) == 8
    assert balanced(many, 16, seed=1) == chosen
    assert len(balanced(many, 1000, seed=1)) == 100


def test_split_of_a_fifth() -> None:
    many = [Sample(Path(f"{i}.png"), "train", i % 2) for i in range(100)]
    moved = stratified_split(many, seed=42)
    assert [sum(s.split == "valid" and s.label == k for s in moved) for k in (0, 1)] == [10, 10]


def test_report_against_counting_by_hand() -> None:
    truth = np.array([0, 0, 1, 2])
    logits = np.log(np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.8, 0.1], [0.8, 0.1, 0.1]], np.float32))
    figures = report(logits, truth, ("a", "b", "c"))
    assert figures["accuracy"] == 0.5
    assert figures["mean_recall"] == pytest.approx((0.5 + 1 + 0) / 3)
    assert figures["per_label"]["a"]["precision"] == 0.5
    assert figures["confusion"] == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    assert figures["error_rate"] == 0.5
    assert figures["averages"]["macro"] == pytest.approx(
        {"precision": (0.5 + 0.5 + 0) / 3, "recall": 0.5, "f1": 7 / 18}
    )
    weighted = {"precision": (2 * 0.5 + 0.5) / 4, "recall": 0.5, "f1": (2 * 0.5 + 2 / 3) / 4}
    assert figures["averages"]["weighted"] == pytest.approx(weighted)
    assert figures["calibration_error"] == pytest.approx(0.3, abs=1e-5)


def test_labels_that_do_not_occur_stay_out_of_the_means() -> None:
    figures = report(np.eye(3, dtype=np.float32)[[0, 1]], np.array([0, 1]), ("a", "b", "c"))
    assert figures["mean_recall"] == 1
    assert figures["per_label"]["c"]["recall"] is None


def test_temperature_mends_over_confidence() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 7, 4000)
    logits = rng.normal(0, 1, (4000, 7)).astype(np.float32)
    logits[np.arange(4000), truth] += 1.5
    temperature = fit_temperature(logits * 3, truth)
    assert temperature == pytest.approx(3 * fit_temperature(logits, truth), rel=0.02)
    before, after = (calibration_error(softmax(logits * 3 / t), truth) for t in (1, temperature))
    assert after < 0.05 < before


@pytest.mark.parametrize("wanted", [0.5, 0.85, 1.0])
def test_a_label_is_raised_until_so_many_of_its_pictures_are_found_and_no_further(wanted: float) -> None:
    rng = np.random.default_rng(4)
    logits, truth = rng.normal(size=(500, 7)).astype(np.float32), rng.integers(0, 7, 500)
    raised = logits + np.eye(7, dtype=np.float32)[4] * fit_raise(logits, truth, 4, wanted)
    mine = int((truth == 4).sum())
    assert int((raised.argmax(axis=1) == 4)[truth == 4].sum()) == math.ceil(wanted * mine)
    assert fit_raise(raised, truth, 4, wanted) < 0.01
    assert fit_raise(logits, np.zeros(500, np.int64), 4, wanted) == 0.0
    easy = logits + 9 * np.eye(7, dtype=np.float32)[truth]
    assert fit_raise(easy, truth, 4, 0.9) == 0.0, "what is found already is not lowered"


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_reads(name: str) -> None:
    assert load_recipe(name).name == name


def test_published_recipe_is_the_published_one() -> None:
    r = load_recipe("published")
    assert (r.backbone, r.size, r.dropout, r.batch, r.epochs, r.patience) == ("resnet18", 256, 0.28, 32, 30, 3)
    assert (r.optimizer, r.learning_rate, r.weight_decay, r.min_rate) == ("adam", 5e-5, 5e-4, 1e-6)
    assert (r.augment, r.labels, r.color, r.select, r.seed) == ("v2", "hard", "rgb", "accuracy", 42)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"drop_out": 0.1}, "drop_out is not a key of a recipe; did you mean dropout"),
        ({"size": "big"}, 'size must be a whole number, not "big"'),
        ({"bfloat16": 1}, "bfloat16 must be true or false, not 1"),
        ({"epochs": True}, "epochs must be a whole number, not true"),
        ({"augment": "v3"}, "augment must be one of none, v1, v2, wild, harsh"),
        ({"batch": 0}, "batch and epochs at least 1"),
    ],
)
def test_wrong_recipes(data: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_recipe("x", data, "x.toml")


def test_own_recipe_file(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("size = 64\n")
    assert load_recipe(str(tmp_path / "mine.toml")).size == 64
    (tmp_path / "mine.toml").write_text("size = \n")
    with pytest.raises(UsageError, match="not valid TOML"):
        load_recipe(str(tmp_path / "mine.toml"))


def test_rate_warms_up_and_falls_to_its_floor() -> None:
    published = load_recipe("published")
    rates = [rate_at(s, 1000, published) * published.learning_rate for s in range(1001)]
    assert rates[0] == pytest.approx(5e-5)
    assert rates[500] == pytest.approx((5e-5 + 1e-6) / 2)
    assert rates[1000] == pytest.approx(1e-6)
    warm = replace(published, warmup=0.1)
    assert [rate_at(s, 100, warm) for s in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])


class TestNetwork:
    """What needs torch."""

    @pytest.fixture(autouse=True)
    def torch(self) -> Any:
        return pytest.importorskip("torch", reason="needs the train extra")

    @pytest.mark.parametrize("layer", [False, True])
    def test_folding_luma_changes_nothing(self, torch: Any, layer: bool) -> None:
        network = build_network(replace(TINY, color="luma")).eval()
        pictures = torch.randint(0, 256, (2, 48, 48, 3), dtype=torch.uint8)
        with torch.no_grad():
            assert torch.allclose(network(pictures), fold_luma(network, layer)(pictures), atol=1e-4)
        assert network.body.conv1.in_channels == 1

    def test_first_weights_are_really_taken(self, torch: Any, backbone: Path) -> None:
        from safetensors.torch import load_file

        stored = load_file(backbone)
        network = build_network(TINY, str(backbone))
        assert torch.equal(network.body.layer4[0].conv1.weight, stored["layer4.0.conv1.weight"].float())
        assert torch.allclose(network.body.conv1.weight, stored["conv1.weight"].float().sum(1, keepdim=True))

    def test_first_weights_of_another_network(self, torch: Any, backbone: Path, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"does not fit mobilenetv3_small_100: \d+ weights missing"):
            build_network(replace(TINY, backbone="mobilenetv3_small_100"), str(backbone))
        (tmp_path / "cut.safetensors").write_bytes(backbone.read_bytes()[:1000])
        with pytest.raises(UsageError, match="cannot be read as safetensors"):
            build_network(TINY, str(tmp_path / "cut.safetensors"))
        with pytest.raises(UsageError, match="is not a file"):
            build_network(TINY, str(tmp_path))

    @pytest.mark.parametrize("name", BACKBONES)
    def test_every_backbone_of_the_study_and_of_the_device_table(self, torch: Any, name: str) -> None:
        network = build_network(replace(TINY, backbone=name, color="luma", dropout=0.2)).eval()
        pictures = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8)
        with torch.no_grad():
            before = network(pictures)
            assert torch.allclose(before, fold_luma(network)(pictures), atol=1e-3)
            adjust_classifier(network, 2.0, np.ones(7))
            assert torch.allclose(network(pictures), (before - 1) / 2, atol=1e-4)

    def test_weights_that_cannot_be_fetched(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import_torch()  # timm cannot be imported before it has been here

        def refuse(*args: Any, **options: Any) -> Any:
            raise OSError("no route to the hub")

        monkeypatch.setattr("timm.create_model", refuse)
        with pytest.raises(UsageError, match="weights for resnet18 cannot be fetched"):
            build_network(TINY, "timm")

    def test_unknown_backbone(self) -> None:
        with pytest.raises(UsageError, match="no backbone 'resnet19'"):
            build_network(replace(TINY, backbone="resnet19"))

    @pytest.mark.parametrize("name", ["v1", "v2", "wild", "harsh"])
    def test_augmentation_keeps_shape_and_repeats_by_seed(self, name: str) -> None:
        pytest.importorskip("albumentations", reason="needs the train extra")
        augment = build_augment(name)
        assert augment is not None
        picture = np.random.default_rng(0).integers(0, 255, (48, 48, 3), dtype=np.uint8)
        assert augment(picture, 7).shape == (48, 48, 3)
        assert (augment(picture, 7) == augment(picture, 7)).all()
        assert any((augment(picture, s) != picture).any() for s in range(5))


@pytest.fixture(scope="module")
def some_faces(faces: Path) -> Dataset:
    """700 training and 210 validation faces, balanced over the labels where there are enough."""
    whole = read_dataset(faces / "manifest.csv", "fer2013_label")
    chosen = balanced(whole.split("train"), 700, 1) + balanced(whole.split("valid"), 210, 1)
    return Dataset(tuple(chosen), (), "fer2013_label")


class Stop(Exception):
    """Stands for a kill."""


def stop_after(batches: int) -> Callable[..., Any]:
    left = [batches]

    def watch(loop: Any, desc: str = "", **_: Any) -> Any:
        for item in loop:
            if left[0] == 0:
                raise Stop
            left[0] -= desc.startswith("epoch")  # teachers are asked before
            yield item

    return watch


@pytest.mark.train
class TestFit:
    """Real, small trainings."""

    @pytest.fixture(autouse=True)
    def torch(self) -> Any:
        return pytest.importorskip("torch", reason="needs the train extra")

    def test_a_minute_of_training_is_better_than_chance(
        self, some_faces: Dataset, backbone: Path, tmp_path: Path
    ) -> None:
        part = Dataset((*balanced(some_faces.split("train"), 420, 3), *some_faces.split("valid")), (), "fer2013_label")
        fitted = fit(TINY, part, tmp_path, init=str(backbone), say=lambda line: None)
        assert fitted.history[-1]["mean_recall"] > 0.25  # chance is 1/7
        assert {p.name for p in tmp_path.iterdir()} >= {"best.pt", "last.pt", "epoch_01.pt", "history.json"}

    def test_killed_and_resumed_gives_the_same_numbers(
        self, torch: Any, some_faces: Dataset, backbone: Path, tmp_path: Path
    ) -> None:
        small = Dataset(balanced_part(some_faces, 96), (), "")  # six steps an epoch
        recipe = replace(TINY, dropout=0.3, ema=0.9, augment="wild", balance=0.5, calibrate=True)
        quiet = {"init": str(backbone), "say": lambda line: None, "checkpoint_every": 4}
        whole = fit(recipe, small, tmp_path / "whole", **quiet)
        with pytest.raises(Stop):
            fit(recipe, small, tmp_path / "broken", watch=stop_after(9), **quiet)
        with pytest.raises(UsageError, match="another run's checkpoints"):
            fit(recipe, small, tmp_path / "broken", **quiet)
        again = fit(recipe, small, tmp_path / "broken", resume=True, **quiet)
        assert again.history == whole.history
        for a, b in zip(again.network.state_dict().values(), whole.network.state_dict().values(), strict=True):
            assert torch.equal(a, b)

    def test_resume_refuses_another_recipe_and_damage(self, torch: Any, some_faces: Dataset, tmp_path: Path) -> None:
        small = Dataset(balanced_part(some_faces, 40), (), "")
        once = replace(TINY, epochs=1)
        fit(once, small, tmp_path)
        older = torch.load(tmp_path / "last.pt", weights_only=True)
        del older["recipe"]["hold_out"]  # a key that came later had its default then
        torch.save(older, tmp_path / "last.pt")
        plain = fit(once, small, tmp_path, resume=True)
        assert len(plain.history) == 1
        shifted = fit(replace(once, prior_shift=0.5), small, tmp_path, resume=True)  # read after the last epoch only
        assert not torch.equal(shifted.network.body.get_classifier().bias, plain.network.body.get_classifier().bias)
        calm = fit(replace(once, neutral_recall=1.0), small, tmp_path, resume=True)
        (found, truth), neutral = labelled(small.split("valid")), LABELS.index("neutral")
        assert (predict(calm.network, found, once.size).argmax(axis=1)[truth == neutral] == neutral).all()
        for other in (TINY, replace(once, hold_out=0.05)):
            with pytest.raises(UsageError, match="made with another recipe"):
                fit(other, small, tmp_path, resume=True)
        (tmp_path / "last.pt").write_bytes(b"cut")
        with pytest.raises(UsageError, match="cannot be read"):
            fit(TINY, small, tmp_path, resume=True)

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_stopped_before_the_first_step(
        self, number: int, some_faces: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """While the data is prepared; and where nothing was left, there is nothing to lose."""
        small, recipe = Dataset(balanced_part(some_faces, 40), (), ""), replace(TINY, epochs=1, dropout=0.3)
        said: list[str] = []
        whole = fit(recipe, small, tmp_path / "whole", resume=True, say=said.append)
        assert said[0].endswith("holds no checkpoint to resume from: the run begins at its start")

        def stopped(*given: Any) -> Any:
            signal.raise_signal(number)
            return training_targets(*given)

        with monkeypatch.context() as patch:
            patch.setattr(fitting, "training_targets", stopped)
            with pytest.raises(KeyboardInterrupt):
                fit(recipe, small, tmp_path / "again", say=said.append)
        assert f"stopped in epoch 1 after step 0: {tmp_path}/again/last.pt; --resume goes on there" in said
        assert fit(recipe, small, tmp_path / "again", resume=True).history == whole.history

    def test_loss_that_is_no_number_stops_the_run(self, some_faces: Dataset, tmp_path: Path) -> None:
        small = Dataset(balanced_part(some_faces, 80), (), "")
        with pytest.raises(TrainingDiverged, match=r"not a finite number in epoch \d, step \d+"):
            fit(replace(TINY, learning_rate=1e12, epochs=3, optimizer="adam"), small, tmp_path, say=lambda line: None)

    def test_early_stopping_waits_for_patience(self, some_faces: Dataset, tmp_path: Path) -> None:
        small = Dataset(balanced_part(some_faces, 40), (), "")
        frozen = replace(TINY, learning_rate=1e-12, min_rate=1e-12, weight_decay=0.0, epochs=9, patience=2)
        said: list[str] = []
        fitted = fit(frozen, small, tmp_path, say=said.append)
        assert len(fitted.history) == fitted.best_epoch + 2 < 9
        assert sum("best so far" in line for line in said) >= 1

    @pytest.mark.parametrize("name", recipe_names())
    def test_every_recipe_runs_two_steps(self, name: str, some_faces: Dataset, tmp_path: Path) -> None:
        recipe = replace(load_recipe(name), batch=8, first_share=0.0)  # at 256 pixels a whole one takes half a minute
        part = Dataset(balanced_part(some_faces, 3 * recipe.batch), (), "fer2013_label", group_columns=recipe.groups)
        one = Member("stub", lambda pictures: np.zeros((len(pictures), 7), np.float32), recipe.size, sha256="ab")
        quiet = {"say": lambda line: None, "checkpoint_every": 2}
        with pytest.raises(Stop):
            fit(recipe, part, tmp_path, watch=stop_after(2), teachers=[one] if recipe.distill else [], **quiet)
        assert (tmp_path / "last.pt").is_file()

    @pytest.mark.parametrize(
        "options",
        [
            {"mixup": 0.4, "focal": 2.0, "class_weight": 0.5},
            {"freeze": ("conv1", "bn1", "layer1"), "coarse_sizes": (16, 24), "label_smoothing": 0.1},
        ],
        ids=["mixup, focal, weights", "freezing, coarse sizes, smoothing"],
    )
    def test_recipe_options_train(
        self, options: dict[str, Any], some_faces: Dataset, backbone: Path, tmp_path: Path
    ) -> None:
        part = Dataset(balanced_part(some_faces, 80), (), "")
        fitted = fit(replace(TINY, epochs=1, **options), part, tmp_path, init=str(backbone), say=lambda line: None)
        first = build_network(TINY, str(backbone)).body
        moved = {n for n, p in fitted.network.body.named_parameters() if (p != dict(first.named_parameters())[n]).any()}
        assert "layer4.1.conv2.weight" in moved
        assert ("layer1.0.conv1.weight" in moved) is ("freeze" not in options)

    def test_freezing_what_is_not_there(self, some_faces: Dataset, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="has no part 'stem' to freeze"):
            fit(replace(TINY, freeze=("stem",)), Dataset(balanced_part(some_faces, 40), (), ""), tmp_path)

    def test_full_disk_during_a_checkpoint_keeps_the_one_before(self, torch: Any, small_disk: Path) -> None:
        write_checkpoint(torch, {"a": torch.zeros(1000)}, small_disk / "last.pt")
        with pytest.raises(OutputError, match="cannot write"):
            write_checkpoint(torch, {"a": torch.zeros(1_000_000)}, small_disk / "last.pt")
        assert torch.load(small_disk / "last.pt")["a"].shape == (1000,)
        assert [p.name for p in small_disk.iterdir()] == ["last.pt"]

    def test_full_disk_keeps_the_previous_checkpoint(
        self, some_faces: Dataset, tmp_path: Path, small_disk: Path
    ) -> None:
        small = Dataset(balanced_part(some_faces, 40), (), "")
        with pytest.raises(OutputError, match="cannot write"):
            fit(replace(TINY, backbone="mobilenetv3_small_100"), small, small_disk, say=lambda line: None)
        assert not list(small_disk.glob("*.pt"))


def balanced_part(dataset: Dataset, count: int) -> tuple[Sample, ...]:
    train = balanced(dataset.split("train"), count, 3)
    return (*train, *balanced(dataset.split("valid"), count // 2, 3))
