"""What an answer hangs on, on graphs whose secret is known; and the command on the shipped model and real faces."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from fer_edge.bundle import LABELS, Image
from fer_edge.export.metrics import Classes
from fer_edge.train.evaluation import augmentations
from fer_edge.train.evaluation.explain import maps
from fer_edge.train.evaluation.explain.probe import Probe
from fer_edge.train.evaluation.explain.run import REGIONS, by_region
from support.labelled import class_folders

Command = Callable[..., subprocess.CompletedProcess[str]]
SIZE = 32


def mouth_model() -> Probe:
    """Label 1 where the lower half is bright, by a channel that sees only that half; another channel never speaks."""
    h, t = onnx.helper, onnx.TensorProto
    mask = np.zeros((1, 1, SIZE, SIZE), np.float32)
    mask[..., SIZE // 2 :, :] = 1 / 255
    kernel = np.zeros((2, 3, 1, 1), np.float32)
    kernel[0], kernel[1] = 1 / 3, -1
    head = np.array([[0, 0], [60, 0]], np.float32)
    tensors = {"mask": mask, "kernel": kernel, "head": head, "bias": np.array([0, -4], np.float32)}
    nodes = [
        h.make_node("Cast", ["pictures"], ["float"], to=t.FLOAT),
        h.make_node("Transpose", ["float"], ["nchw"], perm=[0, 3, 1, 2]),
        h.make_node("Mul", ["nchw", "mask"], ["seen"]),
        h.make_node("Conv", ["seen", "kernel"], ["raw"], name="conv"),
        h.make_node("Relu", ["raw"], ["map"]),
        h.make_node("GlobalAveragePool", ["map"], ["pooled"]),
        h.make_node("Flatten", ["pooled"], ["flat"]),
        h.make_node("Gemm", ["flat", "head", "bias"], ["logits"], transB=1),
    ]
    ends = [
        h.make_tensor_value_info("pictures", t.UINT8, [1, SIZE, SIZE, 3]),
        h.make_tensor_value_info("logits", t.FLOAT, [1, 2]),
    ]
    weights = [onnx.numpy_helper.from_array(v, k) for k, v in tensors.items()]
    graph = h.make_graph(nodes, "g", ends[:1], ends[1:], weights)
    return Probe(h.make_model(graph, opset_imports=[h.make_opsetid("", 13)], ir_version=8), "mouth", ("off", "on"))


@pytest.fixture
def lit() -> Image:
    """Bright in the right part of the lower half, dark elsewhere."""
    picture = np.full((SIZE, SIZE, 3), 10, np.uint8)
    picture[20:28, 16:] = 250
    return picture


def test_both_maps_find_what_the_answer_hangs_on_and_deletion_says_so(lit: Image) -> None:
    probe = mouth_model()
    assert probe.feature == "map"
    assert probe.answer([lit])[0, 1] > 0.9
    chance = maps.random_deletion(probe.answer, lit, 1, 3).mean()
    for heat in (maps.occlusion(probe.answer, lit, 1), maps.grad_cam(probe, lit, 1)):
        assert heat.shape == (SIZE, SIZE)
        assert heat[16:, 16:].sum() > 0.7 * heat.sum()
        assert maps.deletion(probe.answer, lit, 1, heat).mean() < chance
    wrong = np.zeros((SIZE, SIZE))
    wrong[:12] = 1  # a map that points elsewhere does not pass
    assert maps.deletion(probe.answer, lit, 1, wrong).mean() > chance


def test_a_map_by_regions_is_a_whole() -> None:
    assert sum(by_region(np.ones((100, 100))).values()) == pytest.approx(1)
    mouth = np.zeros((100, 100))
    mouth[75:85] = 1
    assert by_region(mouth) == {name: float(name == "mouth") for name in REGIONS}
    assert sum(by_region(np.zeros((100, 100))).values()) == 0


def test_layers_tell_what_they_are_given_and_which_channel_never_speaks(lit: Image) -> None:
    from fer_edge.train.evaluation.explain.activations import Activations

    found = Activations(mouth_model())
    assert found.rows() == []
    found.add(lit)
    conv, gemm = found.rows()
    assert conv["layer"] == "kernel"
    assert conv["zeros"] == pytest.approx(0.5)
    assert (gemm["layer"], gemm["zeros"], gemm["dead"]) == ("head", 0.5, 0.5)  # the second is negative everywhere
    assert gemm["mean"] == pytest.approx(gemm["largest"] / 2)


def test_an_audit_counts_changed_answers_by_strength(tmp_path: Path) -> None:
    pytest.importorskip("albumentations", reason="needs the train extra")
    from fer_edge.bundle.dataset import read_dataset

    class_folders(tmp_path / "d", ("happy", "sad"), 8, [".png"], blur=2)
    samples = list(read_dataset(tmp_path / "d").samples)

    def dark_or_light(crops: Sequence[Image]) -> np.ndarray:
        return np.array([[0.0, crop.mean() - 90] for crop in crops], np.float32)

    truth: Classes = np.ones(len(samples), np.int64)
    rows = augmentations.audit(dark_or_light, 32, samples, truth, ("dark", "light"))
    found = {(r["augmentation"], r["strength"]): r for r in rows}
    assert (found["none", None]["agreement"], found["none", None]["accuracy"]) == (1, 1)
    assert found["flip", 1]["agreement"] == 1
    assert found["brightness", -0.5]["agreement"] < 0.2 < found["brightness", 0.2]["agreement"]
    assert found["brightness", -0.5]["most_changed"]["label"] == "light"
    assert {"v1", "v2", "wild", "harsh"} <= {r["augmentation"] for r in rows}
    assert "brightness -0.5 by" in augmentations.text(rows)


@pytest.fixture
def few(faces: Path, tmp_path: Path) -> Path:
    """Two real test pictures of each label, with their manifest."""
    with (faces / "manifest.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test" and row["label"]]
    chosen = [row for label in LABELS for row in [r for r in rows if r["label"] == label][:2]]
    (tmp_path / "few" / "test").mkdir(parents=True)
    with (tmp_path / "few" / "manifest.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        for row in chosen:
            (tmp_path / "few" / row["path"]).write_bytes((faces / row["path"]).read_bytes())
            table.writerow(row)
    return tmp_path / "few"


@pytest.mark.slow
def test_the_shipped_model_explains_itself(few: Path, command: Command, tmp_path: Path) -> None:
    done = command("evaluate", "--data", few, "--explain", "1", "--augmentations", "7", "--out", "o", timeout=300)
    assert done.returncode == 0, done.stderr
    assert "below random" in done.stdout
    assert "mouth" in done.stdout
    figures = json.loads((tmp_path / "o" / "metrics.json").read_text())
    explained = figures["explain"]
    assert sum(explained["pictures"].values()) > 3
    assert set(explained["heat_by_region"]) == {"occlusion", "grad_cam"}
    assert len(explained["layers"]) > 20
    assert explained["deletion"]["occlusion"]["area"] < explained["deletion"]["random"]["area"]
    assert figures["augmentations"][0]["agreement"] == 1
    written = {p.name for p in (tmp_path / "o").iterdir()}
    assert {f"explain_{name}.png" for name in ("maps", "regions", "deletion", "layers")} <= written


def test_explaining_needs_labels_and_one_model(command: Command, tmp_path: Path) -> None:
    class_folders(tmp_path / "p", ("happy",), 2, [".png"])
    (tmp_path / "p" / "manifest.csv").write_text("path,split,label,g\nhappy/0.png,test,,a\nhappy/1.png,test,,b\n")
    for words, says in (
        (["--data", "p", "--explain", "--groups", "g"], "nobody labelled the pictures of p"),
        (["--data", "p", "--recipe", "tiny", "--seeds", "1", "--explain"], "--explain does not go with --recipe"),
        (["--data", "p", "--explain", "-1"], "--explain takes a number of faces"),
    ):
        done = command("evaluate", *words)
        assert done.returncode == 2, done.stdout
        assert says in done.stderr
        assert "Traceback" not in done.stderr
