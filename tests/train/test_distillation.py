"""The student for the Edge TPU: what it inherits, how it imitates, and the one that ships."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fer_edge.bundle import LABELS, Bundle, default_bundle, open_bundle
from fer_edge.bundle.dataset import Dataset, balanced, read_dataset
from fer_edge.errors import UsageError
from fer_edge.runtime.inference.classifier import Classifier
from fer_edge.train.evaluation.predict import predict
from fer_edge.train.fit import fit
from fer_edge.train.losses import imitation
from fer_edge.train.network import build_network, fold_luma, open_checkpoint
from fer_edge.train.progress.checkpoint import write_checkpoint
from fer_edge.train.recipe import load_recipe, parse_recipe
from fer_edge.train.teachers.ensemble import Member

Command = Callable[..., subprocess.CompletedProcess[str]]
TINY = load_recipe("tiny")
NARROW = replace(TINY, stages=(64, 128, 256, 96), distill=1.0)
MB = 1e6

torch = pytest.importorskip("torch", reason="needs the train extra")
pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def parent(backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a wide network that has seen faces."""
    path = tmp_path_factory.mktemp("parent") / "best.pt"
    torch.manual_seed(0)  # of its random classifier, which would else depend on the tests before
    network = build_network(TINY, str(backbone))
    write_checkpoint(torch, {"network": network.state_dict(), "recipe": asdict(TINY)}, path)
    return path


def some(count: int = 3) -> Any:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (count, 48, 48, 3), dtype=np.uint8))


def test_as_wide_as_its_parent_it_is_its_parent(parent: Path) -> None:
    twin = build_network(replace(TINY, stages=(64, 128, 256, 512)), str(parent)).eval()
    with torch.inference_mode():
        assert torch.equal(twin(some()), open_checkpoint(parent)[0](some()))


def test_a_narrow_one_keeps_what_matters_most(parent: Path) -> None:
    """Closer to its parent's features than a random narrow network: the first three stages are the same."""
    narrow = build_network(NARROW, str(parent)).eval()
    wide, _ = open_checkpoint(parent)
    assert narrow.body.layer4[1].conv2.weight.shape == (96, 96, 3, 3)
    assert torch.equal(narrow.body.layer3[1].conv2.weight, wide.body.layer3[1].conv2.weight)
    kept = {tuple(row) for row in narrow.body.layer4[0].bn1.weight.unsqueeze(1).tolist()}
    assert kept <= {tuple(row) for row in wide.body.layer4[0].bn1.weight.unsqueeze(1).tolist()}


def test_a_narrow_first_stage_narrows_what_comes_before_it(parent: Path) -> None:
    """Its blocks add to what the first convolution gives, so both have the same channels of the parent."""
    narrow = build_network(replace(TINY, stages=(32, 64, 128, 96)), str(parent)).eval()
    wide, _ = open_checkpoint(parent)
    assert narrow.body.layer1[0].downsample is None
    own, theirs = (
        list(zip(norm.running_var.tolist(), norm.running_mean.tolist(), norm.bias.tolist(), strict=True))
        for norm in (narrow.body.layer1[1].bn2, wide.body.layer1[1].bn2)
    )
    kept = [theirs.index(channel) for channel in own]
    assert len(set(kept)) == 32
    assert torch.equal(narrow.body.conv1.weight, wide.body.conv1.weight[kept])
    with torch.inference_mode():
        assert narrow(some()).shape == (3, len(LABELS))


def test_pico_stays_within_its_budget() -> None:
    """60 million multiply-adds and 1.5 MB of int8 weights, a byte each."""
    pico = load_recipe("pico")
    network = fold_luma(build_network(pico), pico.luma_layer).eval()
    steps = []
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(lambda one, _, out: steps.append(one.weight.numel() * out[0, 0].numel()))
    with torch.inference_mode():
        network(torch.zeros(1, pico.size, pico.size, 3, dtype=torch.uint8))
    assert 40e6 < sum(steps) <= 60e6
    assert sum(p.numel() for p in network.parameters()) <= 1.5 * MB


def test_inheriting_refuses_what_does_not_fit(parent: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="600 channels cannot inherit from one of 512"):
        build_network(replace(TINY, stages=(64, 128, 256, 600)), str(parent))
    with pytest.raises(UsageError, match="only from a network with the same layers"):
        build_network(replace(TINY, backbone="resnet34"), str(parent))
    with pytest.raises(UsageError, match="takes luma pictures, the recipe rgb"):
        build_network(replace(NARROW, color="rgb"), str(parent))
    with pytest.raises(UsageError, match="takes no stages"):
        build_network(replace(TINY, backbone="mobilenetv2_100", stages=(1, 2, 3, 4)))


def test_imitation_is_a_distance() -> None:
    logits = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.1, 3.0]])
    assert imitation(logits, logits + 5, 2.0).item() == pytest.approx(0, abs=1e-6)  # a shift of all is none
    p, q = torch.softmax(logits.flip(0) / 2, 1), torch.softmax(logits / 2, 1)
    by_hand = 4 * (p * (p / q).log()).sum(1).mean()
    assert imitation(logits, logits.flip(0), 2.0).item() == pytest.approx(by_hand.item(), rel=1e-5)


@pytest.fixture(scope="module")
def small(faces: Path) -> Dataset:
    whole = read_dataset(faces / "manifest.csv")
    chosen = (*balanced(whole.split("train"), 96, 1), *balanced(whole.split("valid"), 48, 1))
    return Dataset(tuple(chosen), (), "")


def test_it_learns_what_its_teacher_says_and_not_the_labels(small: Dataset, parent: Path, tmp_path: Path) -> None:
    """From a classifier that begins far on another label's side, as a random one may.

    The best epoch is chosen by validation labels, so these are the teacher's: by their own, the epoch that obeyed it
    least could be kept.
    """
    always = LABELS.index("sad")

    def teacher(pictures: np.ndarray) -> np.ndarray:
        assert pictures.dtype == np.uint8
        assert pictures.shape[1:] == (48, 48, 3)
        return 8 * np.eye(7, dtype=np.float32)[np.full(len(pictures), always)]

    leaning = torch.load(parent, weights_only=True)
    leaning["network"]["body.fc.bias"][LABELS.index("happy")] += 3
    torch.save(leaning, tmp_path / "leaning.pt")
    taught = tuple(replace(s, label=always) if s.split == "valid" else s for s in small.samples)
    recipe = replace(NARROW, epochs=4, learning_rate=0.01)  # ten times less does not leave the other side in 24 steps
    fitted = fit(
        recipe,
        replace(small, samples=taught),
        tmp_path / "work",
        init=str(tmp_path / "leaning.pt"),
        teachers=[Member("stub", teacher, 48)],
        say=lambda line: None,
    )
    said = predict(fitted.network, small.split("valid"), 48).argmax(1)
    assert (said == always).mean() > 0.9


def test_teacher_and_recipe_must_want_each_other(small: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="wants a teacher"):
        fit(NARROW, small, tmp_path)
    with pytest.raises(UsageError, match="takes no teacher"):
        fit(TINY, small, tmp_path, teachers=[Member("stub", lambda p: np.zeros((len(p), 7), np.float32), 48)])
    with pytest.raises(UsageError, match="neither mixup nor warm_epochs"):
        parse_recipe("x", {"distill": 1.0, "mixup": 0.2}, "x.toml")


def test_the_command_teaches(faces: Path, parent: Path, tmp_path: Path, command: Command) -> None:
    for sample in balanced(read_dataset(faces / "manifest.csv").split("train"), 84, 2):
        assert sample.label is not None
        place = tmp_path / "data" / LABELS[sample.label]
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(sample.path, place)
    text = 'color = "luma"\nsize = {}\nepochs = 1\nbatch = 16\nstages = [64, 128, 256, 64]\ndistill = 1.0\n'
    (tmp_path / "narrow.toml").write_text(text.format(112))
    (tmp_path / "other.toml").write_text(text.format(96))
    words = ("train", "--data", "data", "--init", parent, "--teacher", default_bundle(), "--out", "b", "--recipe")
    wrong = command(*words, "other.toml")
    assert wrong.returncode == 2
    assert "takes faces of 112 pixels, the recipe of 96" in wrong.stderr
    done = command(*words, "narrow.toml", timeout=300)
    assert done.returncode == 0, done.stderr
    history = open_bundle(tmp_path / "b").manifest.provenance
    assert history["teacher"].startswith(f"default {open_bundle().manifest.version} (sha256 ")
    assert history["init"].startswith("best.pt (sha256 ")
    assert history["recipe"]["stages"] == [64, 128, 256, 64]


@pytest.fixture(scope="module")
def shipped() -> Bundle:
    return open_bundle("edgetpu")


def test_the_shipped_student_stays_on_the_chip(student: Path) -> None:
    pytest.importorskip("ai_edge_litert", reason="needs the edgetpu extra")
    from fer_edge.export.tflite.edgetpu_rules import check
    from fer_edge.export.tflite.flatbuffer import read_tflite

    verdict = check(read_tflite(student / "edgetpu" / "model_int8.tflite"))
    assert (verdict.mapped, verdict.problems) == (verdict.total, ())
    assert verdict.parameter_bytes <= 7.0 * MB
    assert verdict.off_chip_bytes == 0


def test_the_shipped_student_is_nearly_as_good(shipped: Bundle, bundle: Bundle) -> None:
    """By the figures in both manifests, measured on the same pictures; the next test looks whether they are true."""
    mine, theirs = shipped.artifact("onnx", "int8").metrics, bundle.manifest.metrics
    assert (mine["set"], mine["images"]) == (theirs["set"], theirs["images"])
    assert mine["accuracy"] >= theirs["accuracy"] - 0.015


def test_the_shipped_students_figures_are_true(shipped: Bundle, faces: Path) -> None:
    from fer_edge.export.labelled import measure

    artifact = shipped.artifact("onnx", "int8")
    measured = measure(Classifier(shipped, artifact), read_dataset(faces), "test", "fer2013plus/test")
    for figure in ("accuracy", "mean_recall"):
        assert measured[figure] == pytest.approx(artifact.metrics[figure], abs=0.003)
