"""Real conversions of the default model, asserted from the files that come out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from fer_edge.bundle import Artifact, Bundle, open_bundle, whole_image
from fer_edge.export.targets.openvino_ir import name_by_place
from fer_edge.runtime.inference.classifier import Classifier, choose_artifact, runs_here
from support.old_pythons import old_python

ROOT = Path(__file__).resolve().parents[2]
Command = Callable[..., subprocess.CompletedProcess[str]]
pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def result(exported: Path) -> Bundle:
    return open_bundle(exported / "bundle")


@pytest.fixture(scope="module")
def crops(calibration: Path) -> np.ndarray:
    from fer_edge.bundle.dataset import read_image

    return np.stack([whole_image(read_image(p), 112) for p in sorted(calibration.rglob("*.png"))[:24]])


def of(bundle: Bundle, target: str, precision: str) -> Artifact:
    return bundle.artifact(target, precision)


def test_every_target_is_there(result: Bundle) -> None:
    kinds = {a.kind[:2] for a in result.manifest.artifacts}
    wanted = {("onnx", "float16"), ("onnx", "int8"), ("openvino", "float16"), ("openvino", "int8")}
    wanted |= {("edgetpu", "int8"), ("tensorrt", "float16"), ("ethos-u", "int8")}
    assert wanted <= kinds


def test_each_says_how_far_it_agrees(result: Bundle) -> None:
    for artifact in result.manifest.artifacts:
        agreement = artifact.parity
        assert agreement["pictures"] == 128 or artifact.target == "onnx"
        assert agreement["label_agreement"] >= (0.97 if artifact.precision == "int8" else 0.999)
        if artifact.precision == "float16":
            assert agreement["logit_error"] <= 1e-3
        if artifact.precision == "int8":
            assert len(artifact.calibration.get("digest", "") or artifact.calibration["data_digest"]) == 64


def test_each_answers_like_the_model(bundle: Bundle, result: Bundle, crops: np.ndarray) -> None:
    wanted = Classifier(bundle, bundle.reference).logits(crops)
    for artifact in result.manifest.artifacts:
        if runs_here(artifact):
            given = Classifier(result, artifact).logits(crops)
            assert (given.argmax(1) == wanted.argmax(1)).mean() >= 0.9
            assert np.abs(given - wanted).mean() < (0.35 if artifact.precision == "int8" else 0.01), artifact.path


def test_what_all_left_out_is_said(exported: Path) -> None:
    said = json.loads((exported / "said.json").read_text())
    assert set(said["left_out"]) <= {"rknn"}
    assert all("fer-edge export" in how for how in said["left_out"].values())


def test_nobody_needs_faces(bundle: Bundle, crops: np.ndarray, tmp_path: Path, command: Command) -> None:
    """The bundle's own ranges give files as good as faces do, and what was measured before is not lost."""
    done = command("export", "default", "--target", "all", "--out", "b", timeout=600)
    assert done.returncode == 0, done.stderr
    assert "onnx/model_int8.onnx stays: a new one would lose its measured accuracy" in done.stdout
    made = open_bundle(tmp_path / "b")
    wanted = Classifier(bundle, bundle.reference).logits(crops)
    for target in ("openvino", "edgetpu"):
        artifact = made.artifact(target, "int8")
        assert artifact.calibration["digest"] == bundle.artifact("onnx", "int8").sha256
        assert artifact.parity["label_agreement"] >= 1 - 1 / 32
        assert (Classifier(made, artifact).logits(crops).argmax(1) == wanted.argmax(1)).mean() >= 0.9
    assert made.artifact("edgetpu", "int8").report["problems"] == []
    assert made.artifact("ethos-u", "int8").report["mapped"] > 30
    assert made.artifact("onnx", "int8").metrics == bundle.artifact("onnx", "int8").metrics
    assert choose_artifact(made).path == "onnx/model_int8.onnx"  # what `run` takes


def test_a_first_layer_without_a_bias_goes_onto_an_edge_tpu(
    calibration: Path, tmp_path: Path, command: Command
) -> None:
    """`pico` mixes grey in a layer of its own."""
    pytest.importorskip("tensorflow", reason="needs the edgetpu extra")
    words = ("pico", "--target", "edgetpu", "--calibration", calibration, "--pictures", 64, "--out", "b")
    done = command("export", *words)
    assert done.returncode == 0, done.stderr
    artifact = open_bundle(tmp_path / "b").artifact("edgetpu", "int8")
    assert artifact.report["mapped"] == artifact.report["operators"]
    assert artifact.report["problems"] == []
    assert artifact.parity["label_agreement"] >= 0.9


def test_the_portraits_are_drawn_again_by_the_seed() -> None:
    data = pytest.importorskip("skimage.data", reason="needs scikit-image")
    from fer_edge.bundle import portraits

    drawn = portraits.draw(np.ascontiguousarray(data.astronaut()[:, :, ::-1]))
    assert np.abs(drawn.astype(int) - cv2.imread(str(portraits.FILE))).mean() < 0.5
    assert len({crop.tobytes() for crop in portraits.portraits(96)}) == portraits.COUNT


def test_nothing_is_reported_to_anybody(exported: Path) -> None:
    """Converters that keep a client number write it below the home folder."""
    written = [str(p.relative_to(exported)) for p in (exported / "home").rglob("*") if p.is_file()]
    assert not [name for name in written if "intel" in name.lower() or "telemetry" in name.lower()]


def test_onnx_for_tensorrt(result: Bundle) -> None:
    onnx = pytest.importorskip("onnx")
    artifact = of(result, "tensorrt", "float16")
    model = onnx.load(result.path(artifact))
    onnx.checker.check_model(model, full_check=True)
    assert [i.version for i in model.opset_import] == [13]
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    assert (shape, model.graph.input[0].type.tensor_type.elem_type) == ([1, 112, 112, 3], onnx.TensorProto.FLOAT)
    types = {t.data_type for t in model.graph.initializer}
    assert onnx.TensorProto.UINT8 not in types
    assert {n.op_type for n in model.graph.node} == {
        *("Transpose", "Sub", "Div", "Conv", "Relu", "MaxPool", "Add", "GlobalAveragePool", "Flatten", "Gemm")
    }
    recipe = json.loads((result.folder / "tensorrt/build_float16.json").read_text())
    assert recipe["input"] == {"name": "pictures", "shape": [1, 112, 112, 3]}
    assert artifact.input_dtype == "float32"


def test_openvino_reads_its_files(result: Bundle) -> None:
    openvino = pytest.importorskip("openvino")
    for precision, kind in (("float16", "f16"), ("int8", "i8")):
        model = openvino.Core().read_model(str(result.path(of(result, "openvino", precision))))
        assert model.inputs[0].element_type == openvino.Type.u8
        assert list(model.inputs[0].shape) == [1, 112, 112, 3]
        heavy = [n for n in model.get_ops() if n.get_type_name() == "Constant" and np.prod(n.shape) > 10_000]
        assert {n.get_element_type().get_type_name() for n in heavy} == {kind}


def test_openvinos_files_are_equal_each_time(bundle: Bundle, tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    for name in ("a", "b"):  # OpenVINO's count of nodes goes on
        model = openvino.Core().read_model(str(bundle.path(bundle.reference)))
        name_by_place(model)
        openvino.save_model(model, str(tmp_path / f"{name}.xml"))
    assert (tmp_path / "a.xml").read_bytes() == (tmp_path / "b.xml").read_bytes()


def test_tflite_keeps_the_edge_tpus_rules(result: Bundle) -> None:
    from fer_edge.export.tflite.edgetpu_rules import check
    from fer_edge.export.tflite.flatbuffer import read_tflite

    artifact = of(result, "edgetpu", "int8")
    flat = read_tflite(result.path(artifact))
    names = {op.name for op in flat.operators}
    assert names == {"PAD", "CONV_2D", "MAX_POOL_2D", "ADD", "MEAN", "FULLY_CONNECTED"}
    assert not [t for t in flat.tensors if t.dtype not in ("INT8", "INT32")]
    assert (flat.inputs[0].dtype, flat.outputs[0].dtype, flat.inputs[0].shape) == ("INT8", "INT8", (1, 112, 112, 3))
    dense = next(op for op in flat.operators if op.name == "FULLY_CONNECTED")
    assert len(dense.inputs[1].scales) == 1
    assert all(len(op.inputs[1].scales) > 1 for op in flat.operators if op.name == "CONV_2D")
    assert flat.inputs[0].scales == pytest.approx((1 / 57.63,), rel=1e-4)  # the normalisation, and not an operator
    assert flat.inputs[0].zero_points == (114 - 128,)
    verdict = check(flat)
    assert (verdict.mapped, verdict.problems) == (verdict.total, ())
    assert verdict.off_chip_bytes > 3 * 2**20  # a full ResNet-18 does not fit
    assert artifact.report["compiled"] is False


def test_vela_put_everything_on_the_npu(result: Bundle) -> None:
    artifact = of(result, "ethos-u", "int8")
    assert artifact.report["mapped"] == artifact.report["operators"] > 30
    assert artifact.report["estimate_ms"] > 0
    assert not runs_here(artifact)
    assert b"ethos-u" in result.path(artifact).read_bytes()


def test_bundle_check_runs_them(exported: Path, command: Command) -> None:
    done = command("bundle", "check", exported / "bundle")
    assert done.returncode == 0, done.stderr
    assert "not run: ethos-u/model_int8_ethos-u65-256_vela.tflite" in done.stdout
    assert "uncompiled" in done.stdout
    card = (exported / "bundle/MODEL_CARD.md").read_text()
    assert "openvino/model_int8.xml" in card


def test_a_damaged_companion_is_noticed(exported: Path, tmp_path: Path, command: Command) -> None:
    import shutil

    copy = Path(shutil.copytree(exported / "bundle", tmp_path / "copy"))
    file = copy / "openvino/model_int8.bin"
    file.write_bytes(file.read_bytes()[:-1])
    done = command("bundle", "check", copy)
    assert done.returncode == 2
    assert "model_int8.bin does not have the hash" in done.stderr


def test_the_twin_computes_what_the_graph_does(bundle: Bundle, crops: np.ndarray) -> None:
    """In float, before any quantisation: the same logits to a thousandth."""
    from fer_edge.export.graph import load_float32, read_stem, without_stem
    from fer_edge.export.tflite.convert import centred, import_tensorflow, input_grid
    from fer_edge.export.tflite.twin import Twin

    tf = import_tensorflow()
    graph = load_float32(bundle.path(bundle.reference))
    stem = read_stem(graph)
    grey, scale = input_grid(stem)
    twin = Twin(tf, centred(without_stem(graph, stem), stem, grey, scale))
    wanted = Classifier(bundle, bundle.reference).logits(crops[:4])
    given = np.concatenate([twin((tf.constant(c[None], tf.float32) - grey) / scale).numpy() for c in crops[:4]])
    assert np.abs(given - wanted).max() < 0.02  # half a grey level in the padding


def test_the_ncs2s_openvino_reads_our_onnx(bundle: Bundle, crops: np.ndarray, kept: Path) -> None:
    """Through the very worker and backend that drive the stick, on that OpenVINO's processor plug-in."""
    from fer_edge.errors import DeviceNotFound
    from fer_edge.runtime.inference.worker_client import RemoteBackend

    backend, graph, python = (
        ROOT / "runtime/backends/ie.py",
        bundle.path(bundle.reference),
        old_python("3.9", kept, "openvino==2021.4.2"),
    )
    apart = RemoteBackend(backend, graph, {"device": "CPU"}, python=python)
    wanted = Classifier(bundle, bundle.reference).logits(crops)
    assert np.abs(apart.infer(crops) - wanted).max() < 1e-3
    assert apart.describe()["version"].startswith("2021.4.2")
    apart.close()
    with pytest.raises(DeviceNotFound, match=r"no MYRIAD device answers|libusb"):  # the second without that library
        RemoteBackend(backend, graph, {"device": "MYRIAD"}, python=python)


@pytest.mark.campaign
def test_rockchips_own_simulator_agrees(bundle: Bundle, calibration: Path, kept: Path, tmp_path: Path) -> None:
    from fer_edge.export.targets.environment import base_python
    from fer_edge.export.targets.rknn import VERSIONS

    assert base_python(VERSIONS)
    command = [sys.executable, "-m", "fer_edge", "export", "default", "--target", "rknn", "--chip", "rk3566"]
    done = subprocess.run(
        [*command, "--calibration", calibration, "--pictures", "200", "--out", tmp_path / "b"],
        capture_output=True,
        text=True,
        timeout=540,
        env={**os.environ, "FER_EDGE_CACHE": str(kept)},
    )
    if done.returncode and "could not be made" in done.stderr:
        pytest.skip("the environment for rknn-toolkit2 cannot be made: " + done.stderr.splitlines()[1])
    assert done.returncode == 0, done.stderr
    artifact = open_bundle(tmp_path / "b").artifact("rknn", "int8")
    assert artifact.report["chip"] == "rk3566"
    assert artifact.parity["label_agreement"] >= 0.97
    assert "simulator of rk3566" in artifact.parity["ran_on"]
    assert (tmp_path / "b" / artifact.path).read_bytes()[:4] == b"RKNN"


@pytest.mark.parametrize(
    "backbone",
    ["mobilenetv2_100", "tf_efficientnetv2_b0", pytest.param("resnet50", marks=pytest.mark.campaign)],
)
def test_models_of_the_device_table(backbone: str, calibration: Path, tmp_path: Path, command: Command) -> None:
    """Random weights, a small picture: the graph is the same, the test is short."""
    made = command(
        "bundle", "make", tmp_path / "b", "--backbone", backbone, "--size", "96", "--calibration", calibration
    )
    assert made.returncode == 0, made.stderr
    for target in ("tensorrt", "openvino", "ethos-u"):
        words = ("export", tmp_path / "b", "--target", target, "--calibration", calibration, "--pictures", 32)
        done = command(*words, timeout=300)
        assert done.returncode == 0, done.stderr
    made_of = {a.target for a in open_bundle(tmp_path / "b").manifest.artifacts}
    assert made_of == {"onnx", "tensorrt", "openvino", "ethos-u"}
    checked = command("bundle", "check", tmp_path / "b")
    assert checked.returncode == 0, checked.stderr
