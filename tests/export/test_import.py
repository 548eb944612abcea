"""Models of other tools, imported by the command a person types, and then used like any bundle."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fer_edge.bundle import Bundle, open_bundle, softmax
from fer_edge.bundle.portraits import SMILES, portraits, smiles
from fer_edge.runtime.inference.classifier import Classifier
from support.foreign_models import FERPLUS, blue_first, grey_levels, smile_model, torchvision
from support.made_once import ROOT

pytest.importorskip("onnx", reason="needs the export extra")
Command = Callable[..., subprocess.CompletedProcess[str]]
SEVEN = "angry,disgust,fear,happy,neutral,sad,surprise"
TEACHER = ROOT.parent / "shared" / "weights" / "teacher_affectnet7.onnx"


def faces_in(folder: Path) -> Path:
    """The portraits in class folders, and those a bit darker."""
    for i, picture in enumerate(portraits(96)):
        place = folder / ("happy" if i in SMILES else "neutral")
        place.mkdir(parents=True, exist_ok=True)
        for name, light in (("a", 1.0), ("b", 0.95)):
            cv2.imwrite(str(place / f"{i}{name}.png"), cv2.convertScaleAbs(picture[..., ::-1], alpha=light))
    return folder


def happy_share(bundle: Bundle, label: str) -> float:
    classifier = Classifier(bundle, bundle.reference)
    crops = np.stack(smiles(classifier.size))
    return float((classifier.logits(crops).argmax(1) == bundle.labels.index(label)).mean())


def graph_of(bundle: Bundle) -> Any:
    import onnx

    return onnx.load(str(bundle.path(bundle.reference)))


def test_ferplus_and_all_that_follows(tmp_path: Path, command: Command) -> None:
    """Grey levels, 1 x 1 x 64 x 64, eight labels in another order, opset 8: imported, run, exported, scored."""
    smile_model(tmp_path / "ferplus.onnx", FERPLUS, grey_levels, opset=8)
    about = ["--license", "MIT", "--source", "the ONNX zoo", "--json"]
    done = command("bundle", "import", "ferplus.onnx", "--labels", ",".join(FERPLUS), *about, "--out", "b")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["warnings"] == []
    assert [line.split(",")[0] for line in said["guessed"]] == [
        "layout nchw",
        "color gray",
        "outputs logits",
        "values 0 to 255",
    ]
    bundle = open_bundle(tmp_path / "b")
    assert bundle.labels == FERPLUS
    assert bundle.manifest.licence == "MIT"
    assert happy_share(bundle, "happiness") == 1
    card = (tmp_path / "b" / "MODEL_CARD.md").read_text()
    assert all(words in card for words in ("Terms: MIT", "Source: the ONNX zoo", *said["guessed"]))
    assert command("bundle", "check", "b").returncode == 0
    faces = faces_in(tmp_path / "faces")
    figures = json.loads(command("evaluate", "--bundle", "b", "--data", faces, "--json").stdout)
    assert figures["accuracy"] > 0.9
    assert "contempt" in figures["not_scored"]["labels"]
    seen = command("run", faces / "happy" / f"{SMILES[0]}a.png", "--bundle", "b", "--json")
    assert seen.returncode == 0, seen.stderr
    pytest.importorskip("tensorflow", reason="needs the edgetpu extra")
    made = command("export", "b", "--target", "edgetpu", timeout=300)
    assert made.returncode == 0, made.stderr
    assert "32 portraits of one face" in made.stdout
    tpu = open_bundle(tmp_path / "b").artifact("edgetpu", "int8")
    assert tpu.parity["label_agreement"] == 1
    assert tpu.calibration["source"] == "32 portraits of one face"
    assert f"guessed: {said['guessed'][0]}" in command("bundle", "show", "b").stdout


def test_three_labels_newer_opset_dynamic_batch(tmp_path: Path, command: Command) -> None:
    smile_model(tmp_path / "m.onnx", ("sad", "neutral", "happy"), torchvision, opset=17, batch="batch")
    done = command("bundle", "import", "m.onnx", "--labels", "sad,neutral,happy")
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    bundle = open_bundle(tmp_path / "m")
    model = graph_of(bundle)
    assert model.opset_import[0].version == 13
    assert [[d.dim_value for d in v.type.tensor_type.shape.dim] for v in model.graph.output] == [[1, 3]]
    assert happy_share(bundle, "happy") == 1


def test_uint8_channels_last_with_a_second_output(tmp_path: Path, command: Command) -> None:
    smile_model(tmp_path / "m.onnx", SEVEN.split(","), torchvision, batch="n", nhwc=True, features=True)
    done = command("bundle", "import", "m.onnx", "--labels", SEVEN)
    assert "output logits, which has a value a label; left out: features" in done.stderr
    operators = [n.op_type for n in graph_of(open_bundle(tmp_path / "m")).graph.node]
    assert operators[:5] == ["Transpose", "Cast", "Sub", "Div", "Conv"]
    assert happy_share(open_bundle(tmp_path / "m"), "happy") == 1


@pytest.mark.parametrize("prepare", [torchvision, blue_first, grey_levels])
def test_the_graph_does_what_the_person_says(prepare: Any, tmp_path: Path, command: Command) -> None:
    """Colours and values of every kind end up inside the graph, exactly, padding included; a softmax is cut off."""
    import onnxruntime

    path = smile_model(tmp_path / "m.onnx", FERPLUS, prepare, last="Softmax")
    words = {
        torchvision: ["--color", "rgb", "--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225"],
        blue_first: ["--color", "bgr", "--mean", "0", "--std", "1"],
        grey_levels: ["--color", "gray"],
    }
    done = command("bundle", "import", path, "--labels", ",".join(FERPLUS), *words[prepare], "--out", "b")
    assert done.returncode == 0, done.stderr
    bundle = open_bundle(tmp_path / "b")
    crops = np.random.default_rng(5).integers(0, 256, (4, 64, 64, 3), np.uint8)
    session = onnxruntime.InferenceSession(str(path))
    wanted = np.concatenate([session.run(None, {"values": row[None]})[0] for row in prepare(crops)])
    np.testing.assert_allclose(softmax(Classifier(bundle, bundle.reference).answers(crops)), wanted, atol=1e-4)
    assert "Softmax" not in [n.op_type for n in graph_of(bundle).graph.node]


@pytest.mark.parametrize(
    ("words", "warning"),
    [
        (["--labels", "happy,sad,neutral"], "the model calls 0 happy, most of them sad: the order of --labels"),
        (["--labels", "sad,neutral,happy", "--color", "rgb"], "try --color bgr"),
        (["--labels", "a,b,c"], "none of a, b, c is happy"),
    ],
)
def test_what_cannot_be_right_is_said_loudly(words: list[str], warning: str, tmp_path: Path, command: Command) -> None:
    smile_model(tmp_path / "m.onnx", ("sad", "neutral", "happy"), blue_first, against_colors=True)
    done = command("bundle", "import", "m.onnx", *words, "--mean", "0", "--std", "1")
    assert done.returncode == 0
    assert [line for line in done.stderr.splitlines() if line.startswith("warning: ") and warning in line], done.stderr
    assert warning in (tmp_path / "m" / "MODEL_CARD.md").read_text()


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("no.onnx", [], "there is no file no.onnx"),
        ("m.h5", [], "tf.lite.TFLiteConverter"),
        ("m.onnx", ["--labels", "happy,sad"], "--labels names 2 labels, and the model's outputs are: logits 1 x 3"),
        ("m.onnx", ["--labels", "happy,happy,sad"], "a name of its own"),
        ("m.onnx", ["--size", "112"], "64 x 64 pixels, as nchw"),
        ("m.onnx", ["--layout", "nhwc"], "64 channels, as nhwc"),
        ("m.onnx", ["--std", "0"], "every deviation is above 0"),
        ("m.onnx", ["--outputs", "probabilities"], "so they are no probabilities"),
        ("cut.onnx", [], "is not a whole ONNX model"),
        ("cut.tflite", [], "is not a TFLite model"),
    ],
)
def test_what_is_refused(name: str, words: list[str], message: str, tmp_path: Path, command: Command) -> None:
    path = smile_model(tmp_path / "m.onnx", ("sad", "neutral", "happy"), torchvision)
    for other in ("m.h5", "cut.onnx", "cut.tflite"):
        (tmp_path / other).write_bytes(path.read_bytes()[:999])
    labels = [] if "--labels" in words else ["--labels", "sad,neutral,happy"]
    done = command("bundle", "import", name, *labels, *words, "--out", "b")
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert not (tmp_path / "b").exists()


def test_a_keras_model_through_tflite(tmp_path: Path, command: Command) -> None:
    tf = pytest.importorskip("tensorflow", reason="needs the edgetpu extra")
    pytest.importorskip("tf2onnx", reason="needs the edgetpu extra")
    layers = tf.keras.layers
    given = layers.Input((48, 48, 1))
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(given)
    x = layers.Flatten()(layers.MaxPooling2D()(x))
    net = tf.keras.Model(given, layers.Dense(7, activation="softmax")(x))
    (tmp_path / "m.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(net).convert())
    words = ["--labels", SEVEN, "--mean", "0", "--std", "255"]
    done = command("bundle", "import", "m.tflite", *words)
    assert done.returncode == 0, done.stderr
    assert "guessed: outputs probabilities" in done.stderr
    bundle = open_bundle(tmp_path / "m")
    crops = np.stack(portraits(48)[:4])
    wanted = net((crops @ np.array([0.299, 0.587, 0.114]))[..., None] / 255).numpy()
    np.testing.assert_allclose(softmax(Classifier(bundle, bundle.reference).answers(crops)), wanted, atol=1e-4)
    made = command("export", "m", "--target", "edgetpu", timeout=300)
    assert "net/" not in made.stderr  # every layer has a counterpart, whatever the gate says of random weights


def test_an_exported_program_of_torch(tmp_path: Path, command: Command) -> None:
    torch = pytest.importorskip("torch", reason="needs the train extra")
    nn = torch.nn
    torch.manual_seed(6)  # one whose logits of plain pictures lie between 0 and 1, as sigmoids would
    net = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4096, 3)).eval()
    batch = {0: torch.export.Dim("n")}
    program = torch.export.export(net, (torch.zeros(2, 3, 64, 64),), dynamic_shapes=(batch,))
    torch.export.save(program, str(tmp_path / "m.pt2"))
    done = command("bundle", "import", "m.pt2", "--labels", "sad,neutral,happy", "--std", "255")
    assert done.returncode == 0, done.stderr
    bundle = open_bundle(tmp_path / "m")
    crops = np.stack(portraits(64)[:4])
    with torch.inference_mode():
        wanted = net(torch.from_numpy(crops.transpose(0, 3, 1, 2) / np.float32(255))).numpy()
    np.testing.assert_allclose(Classifier(bundle, bundle.reference).answers(crops), wanted, atol=1e-4)


@pytest.mark.skipif(not TEACHER.is_file(), reason="needs the shared folder, which is not beside this checkout")
def test_hsemotion(tmp_path: Path, command: Command) -> None:
    done = command("bundle", "import", TEACHER, "--labels", SEVEN, "--out", "b")
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    assert happy_share(open_bundle(tmp_path / "b"), "happy") == 1
    operators = [n.op_type for n in graph_of(open_bundle(tmp_path / "b")).graph.node]
    assert "Pad" not in operators
    assert operators[4] == "Conv"
    pytest.importorskip("openvino", reason="needs the openvino extra")
    made = command("export", "b", "--target", "openvino", "--precision", "float16", timeout=300)
    assert made.returncode == 0, made.stderr  # float16 rounds its weights: off by 0.0045 in every runtime
