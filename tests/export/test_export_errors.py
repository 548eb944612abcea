"""What an export refuses, and that a refused or broken one leaves the bundle as it was."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fer_edge.bundle import Artifact, Bundle, add_artifacts, describe_file, open_bundle, save_bundle
from fer_edge.bundle.dataset import read_image
from fer_edge.cli.main import main
from fer_edge.errors import BundleDamaged, GateFailed, InputError, UnsupportedGraph
from fer_edge.export.calibration import calibration_set, neighbour_correlation
from fer_edge.installation import CHECKOUT

onnx = pytest.importorskip("onnx", reason="needs the export extra")
Command = Callable[..., subprocess.CompletedProcess[str]]
Refused = Callable[..., None]
FAKES = Path(__file__).resolve().parents[1] / "fakes"


@pytest.fixture
def own(bundle: Bundle, tmp_path: Path) -> Path:
    """A copy of the shipped bundle to export into, without the measured accuracy that an export would not replace."""
    folder = Path(shutil.copytree(bundle.folder, tmp_path / "own"))
    manifest = json.loads((folder / "bundle.json").read_text())
    manifest["artifacts"] = [{**artifact, "metrics": {}} for artifact in manifest["artifacts"]]
    (folder / "bundle.json").write_text(json.dumps(manifest))
    return folder


def digest(folder: Path) -> str:
    """Every file's name and bytes."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        total.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return total.hexdigest()


@pytest.fixture
def refused(command: Command) -> Refused:
    """Run a verb that says why it refuses and leaves the bundle as it was."""

    def check(bundle: Path, words: tuple[object, ...], *said: str, code: int = 2, **surroundings: str) -> None:
        before = digest(bundle)
        done = command(*words, **surroundings)
        assert done.returncode == code, done.stderr
        assert [part for part in said if part not in done.stderr] == [], done.stderr
        assert "Traceback" not in done.stderr
        assert digest(bundle) == before

    return check


def leftovers(folder: Path) -> list[str]:
    return [p.name for p in folder.parent.iterdir() if p.name.startswith(f".{folder.name}") and p.suffix != ".lock"]


def graph(nodes: list[object], shape: list[object], opset: int = 13) -> object:
    """A model of these nodes from `pictures` to `logits`."""
    h, t = onnx.helper, onnx.TensorProto
    ends = [h.make_tensor_value_info("pictures", t.FLOAT, shape), h.make_tensor_value_info("logits", t.FLOAT, shape)]
    return h.make_model(h.make_graph(nodes, "g", ends[:1], ends[1:]), opset_imports=[h.make_opsetid("", opset)])


def test_a_graph_binds_only_the_devices_that_cannot_read_it() -> None:
    from fer_edge.export.consumers import check_form, unreadable_by

    node = onnx.helper.make_node
    plain = graph([node("Relu", ["pictures"], ["logits"], name="act")], [1, 3])
    assert unreadable_by(plain, "onnx") == unreadable_by(plain, "tensorrt") == {}
    newer = graph([node("Relu", ["pictures"], ["logits"], name="act")], [1, 3], opset=17)
    assert list(unreadable_by(newer, "onnx")) == ["ncs2"]
    assert unreadable_by(newer, "tensorrt")["jetson-nano"].endswith("reads up to opset 13, and the graph uses 17")
    odd = graph([node("Mish", ["pictures"], ["logits"], name="act")], [1, 3])
    assert "does not know the operator Mish of layer act" in unreadable_by(odd, "onnx")["ncs2"]
    with pytest.raises(UnsupportedGraph, match=r"TensorRT 10.* does not know the operator Mish of layer act"):
        unreadable_by(odd, "tensorrt")
    with pytest.raises(UnsupportedGraph, match="opset 18"):
        check_form(graph([node("Relu", ["pictures"], ["logits"])], [1, 3], opset=18))
    for shape in (["batch", 3], [2, 3], []):
        with pytest.raises(UnsupportedGraph, match="not one picture of fixed size"):
            check_form(graph([node("Relu", ["pictures"], ["logits"])], shape))


def test_a_graph_that_is_none(tmp_path: Path) -> None:
    from fer_edge.export.graph import load_float32

    (tmp_path / "a.onnx").write_bytes(b"nonsense")
    with pytest.raises(UnsupportedGraph, match="not a valid ONNX graph"):
        load_float32(tmp_path / "a.onnx")


def test_the_twin_names_what_it_cannot_do() -> None:
    from fer_edge.export.tflite.twin import Twin

    with pytest.raises(UnsupportedGraph, match="HardSwish of layer act"):
        Twin(None, graph([onnx.helper.make_node("HardSwish", ["pictures"], ["logits"], name="act")], [1, 3], opset=14))


def faces_of(kind: str, count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    made = {
        "noise": lambda: rng.integers(0, 256, (48, 48, 3), dtype=np.uint8),
        "blank": lambda: np.full((48, 48, 3), rng.integers(0, 256), np.uint8),
        "copies": lambda: np.tile(np.arange(48, dtype=np.uint8), (48, 1))[:, :, None].repeat(3, 2),
    }[kind]
    return [made() for _ in range(count)]


def test_calibration_refuses_what_is_no_set_of_faces(calibration: Path) -> None:
    for kind in ("noise", "blank"):
        with pytest.raises(InputError, match="are not pictures"):
            calibration_set(faces_of(kind, 64), 112)
    with pytest.raises(InputError, match="copies of a few"):
        calibration_set(faces_of("copies", 64), 112)
    real = [read_image(p) for p in sorted(calibration.rglob("*.png"))]
    with pytest.raises(InputError, match="3 calibration pictures: too few"):
        calibration_set(real[:3], 112)
    assert min(neighbour_correlation(p) for p in real) > 0.5
    assert calibration_set(real, 112)[0].shape == (112, 112, 3)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--calibration", "nowhere"), "nowhere does not exist"),
        (("--calibration", "empty"), "holds no readable picture"),
        (("--calibration", "noise"), "are not pictures"),
        (("--precision", "float32", "--target", "edgetpu"), "edgetpu has no float32"),
        (("--chip", "rk3588"), "--chip says nothing to onnx"),
    ],
)
def test_bad_input(words: tuple[str, ...], said: str, own: Path, tmp_path: Path, refused: Refused) -> None:
    import cv2

    (tmp_path / "empty").mkdir()
    (tmp_path / "noise").mkdir()
    for i, picture in enumerate(faces_of("noise", 40)):
        cv2.imwrite(str(tmp_path / "noise" / f"{i}.png"), picture)
    target = () if "--target" in words else ("--target", "onnx")
    refused(own, ("export", own, *target, *words), said, "try:")


def test_the_shipped_bundle_stays_as_it_is(refused: Refused, bundle: Bundle, calibration: Path) -> None:
    words = ("export", "default", "--target", "onnx", "--calibration", calibration)
    refused(bundle.folder, words, "--out my-bundle")


def test_another_models_bundle_is_not_added_to(
    own: Path, tmp_path: Path, calibration: Path, command: Command, refused: Refused
) -> None:
    words = ("export", own, "--target", "tensorrt", "--calibration", calibration, "--pictures", 32)
    other = ("--backbone", "resnet18", "--size", 64, "--calibration", calibration)
    made = command("bundle", "make", tmp_path / "x", *other)
    assert made.returncode == 0, made.stderr
    refused(tmp_path / "x", (*words, "--out", tmp_path / "x"), "holds another model")


def test_a_newer_bundle_is_refused(own: Path, calibration: Path, refused: Refused) -> None:
    manifest = own / "bundle.json"
    manifest.write_text(manifest.read_text().replace('"schema": 1', '"schema": 9', 1))
    refused(own, ("export", own, "--target", "onnx", "--calibration", calibration), "schema")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("opset", "opset 18"),
        ("dynamic", "is not one picture of fixed size"),
        ("operator", "does not know the operator Elu of layer odd"),
        ("stem", "does not begin with (picture - mean) / deviation"),
    ],
)
def test_a_foreign_graph_is_refused(
    change: str, said: str, own: Path, calibration: Path, tmp_path: Path, refused: Refused
) -> None:
    """A bundle whose hashes are right and whose graph came from another tool."""
    bundle = open_bundle(own)
    model = onnx.load(own / "model.onnx")
    if change == "opset":
        model.opset_import[0].version = 18
    elif change == "dynamic":
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.shape.dim[0].dim_param = "batch"
    elif change == "operator":
        node = next(n for n in model.graph.node if n.op_type == "Relu")
        node.op_type, node.name = "Elu", "odd"
    else:
        node = next(n for n in model.graph.node if n.op_type == "Div")
        node.op_type = "Pow"
    onnx.save(model, tmp_path / "model.onnx")
    digest_, size = describe_file(tmp_path / "model.onnx")
    artifact = replace(bundle.reference, sha256=digest_, size=size)
    foreign, manifest = tmp_path / "foreign", replace(bundle.manifest, artifacts=(artifact,))
    save_bundle(foreign, manifest, {"model.onnx": tmp_path / "model.onnx"})
    target = "tensorrt" if change == "operator" else "edgetpu" if change == "stem" else "openvino"
    words = ("export", foreign, "--target", target, "--calibration", calibration, "--pictures", 32)
    refused(foreign, words, said)


@pytest.mark.parametrize(
    ("target", "module", "extra"),
    [("openvino", "openvino", "openvino"), ("edgetpu", "tensorflow", "edgetpu"), ("ethos-u", "ethosu", "ethos-u")],
)
def test_a_missing_converter_names_the_extra(
    target: str, module: str, extra: str, own: Path, calibration: Path, tmp_path: Path
) -> None:
    script = f"import sys; sys.modules[{module!r}] = None; from fer_edge.cli.main import main; sys.exit(main())"
    words = ["export", str(own), "--target", target, "--calibration", str(calibration)]
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert f"-m pip install -e '{CHECKOUT}[{extra}]'" in done.stderr


def test_a_failed_gate_leaves_the_bundle_as_it_was(
    own: Path, calibration: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from fer_edge.export import gate

    monkeypatch.setattr(gate, "INT8", gate.ParityLimits(1e-9, 1.0, 0.0))
    before = digest(own)
    words = ["export", str(own), "--target", "onnx", "--calibration", str(calibration), "--pictures", "40"]
    assert main(words) == 1
    assert "onnx int8 does not agree with the model: its logits are off by" in capsys.readouterr().err
    assert (digest(own), leftovers(own)) == (before, [])


def test_the_gates_own_judgement() -> None:
    from types import SimpleNamespace

    from fer_edge.export.gate import Gate

    rng = np.random.default_rng(0)
    reference = rng.normal(size=(100, 7)).astype(np.float32) * 4
    pictures = np.zeros((100, 1, 1, 3), np.uint8)

    def judge(
        logits: np.ndarray, precision: str, accuracy: float | None = None, trained: bool = True, own: str = "float16"
    ) -> Artifact:
        backend = SimpleNamespace(describe=lambda: {"backend": "fake", "version": "1", "device": "CPU"})
        classifier = SimpleNamespace(logits=lambda p: logits, backend=backend)
        evaluate = None if accuracy is None else lambda c: {"set": "s", "accuracy": accuracy}
        gate = Gate(pictures, reference, evaluate, {"accuracy": 0.85}, trained, own)
        return gate.measure(Artifact("a", "onnx", precision, "", 0), classifier)  # type: ignore[arg-type]

    assert judge(reference, "float32").parity["logit_error"] == 0
    assert judge(reference * 1.0009, "float16").parity["label_agreement"] == 1
    with pytest.raises(GateFailed, match=r"off by 0\.002"):
        judge(reference * 1.002, "float16")
    judge(reference * 1.005, "float16", own="float32")
    with pytest.raises(GateFailed, match=r"off by 0\.02") as refused:
        judge(reference * 1.02, "float16", own="float32")
    assert "too coarse for this model's weights" in str(refused.value.cause)
    with pytest.raises(GateFailed, match=r"off by 0\.005"):
        judge(reference * 1.005, "float32", own="float32")
    with pytest.raises(GateFailed, match="off by nan"):
        judge(reference * np.nan, "float32")
    judge(reference * 1.3, "int8")
    turned = reference.copy()
    turned[:4] = -turned[:4]
    with pytest.raises(GateFailed, match=r"96.0% of its labels are equal"):
        judge(turned, "int8")
    assert judge(reference, "int8", accuracy=0.841).metrics["accuracy_change"] == pytest.approx(-0.009)
    with pytest.raises(GateFailed, match=r"accuracy is 1\.10 points lower"):
        judge(reference, "int8", accuracy=0.839)
    judge(turned, "int8", trained=False)
    with pytest.raises(GateFailed):
        judge(-reference, "int8", trained=False)


def test_a_full_disk(own: Path, calibration: Path, small_disk: Path, refused: Refused) -> None:
    words = ("export", own, "--target", "tensorrt", "--calibration", calibration, "--pictures", 32)
    refused(own, (*words, "--out", small_disk / "copy"), "No space left")
    assert not [p for p in small_disk.iterdir() if p.suffix != ".lock"]
    refused(own, words, "no room is left on the disk", TMPDIR=str(small_disk))  # and where the work is done


def exporting(own: Path, calibration: Path, target: str, precision: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "fer_edge", "export", own, "--target", target, "--precision", precision]
    return subprocess.Popen(
        [*command, "--calibration", calibration, "--pictures", "64"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=own.parent,
    )


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_export_changes_nothing(how: signal.Signals, own: Path, calibration: Path) -> None:
    before = digest(own)
    process = exporting(own, calibration, "onnx", "int8")
    assert process.stdout is not None
    assert any(line.startswith("onnx int8") for line in process.stdout)  # it is at work
    process.send_signal(how)
    process.communicate(timeout=60)
    assert process.returncode == {signal.SIGKILL: -9, signal.SIGTERM: 143}.get(how, 130)
    assert (digest(own), leftovers(own)) == (before, [])


def test_two_exports_at_once(own: Path, calibration: Path) -> None:
    both = [exporting(own, calibration, "tensorrt", "float16"), exporting(own, calibration, "onnx", "float32")]
    for process in both:
        _, said = process.communicate(timeout=240)
        assert process.returncode == 0, said
    kinds = {a.kind[:2] for a in open_bundle(own).manifest.artifacts}
    assert {("tensorrt", "float16"), ("onnx", "float32"), ("onnx", "int8"), ("onnx", "float16")} == kinds
    assert not leftovers(own)


def test_a_reader_never_finds_the_bundle_gone(own: Path) -> None:
    """The old folder and the new one change places in one step of the kernel."""
    bundle = open_bundle(own)
    artifact = bundle.artifact("onnx", "int8")
    missed, stop = [], threading.Event()

    def look() -> None:
        while not stop.is_set():
            if not (own / "bundle.json").is_file():
                missed.append(time.monotonic())

    watcher = threading.Thread(target=look)
    watcher.start()
    for _ in range(5):
        add_artifacts(own, [artifact], {artifact.path: bundle.path(artifact)})
    stop.set()
    watcher.join()
    assert not missed
    assert open_bundle(own).manifest.artifacts == bundle.manifest.artifacts


def test_the_compilers_log_and_file_come_back(
    exported: Path, tmp_path: Path, command: Command, refused: Refused
) -> None:
    """As a person does who compiles elsewhere; the compiler is a fake, its log as published."""
    own = Path(shutil.copytree(exported / "bundle", tmp_path / "own"))
    source = own / "edgetpu/model_int8.tflite"
    compiler = [FAKES / "edgetpu_compiler", "-s", "-o", tmp_path, source]
    log = tmp_path / "compile.log"
    log.write_text(subprocess.run(compiler, capture_output=True, text=True, check=True).stdout)
    compiled = tmp_path / "model_int8_edgetpu.tflite"
    words = ("bundle", "add", own, compiled, "--log", log)
    refused(own, words, "was not compiled for the Edge TPU")
    compiled.write_bytes(with_custom_operator(source.read_bytes()))
    done = command(*words)
    assert done.returncode == 0, done.stderr
    assert "35 of 35 operators on the chip, parameters 6.91 MiB on it and 3.85 MiB streamed" in done.stdout
    artifact = open_bundle(own).artifact("edgetpu", "int8")
    assert artifact.report["compiled"] is True
    assert artifact.report["off_chip_bytes"] == round(3.85 * 2**20)
    assert set(artifact.files) == {"edgetpu/model_int8_edgetpu.tflite", "edgetpu/model_int8.tflite"}
    again = command(*words)
    assert again.returncode == 0, again.stderr
    worse = {**os.environ, "FAKE_EDGETPU": "some"}
    log.write_text(subprocess.run(compiler, capture_output=True, text=True, check=True, env=worse).stdout)
    compiled.write_bytes(with_custom_operator(source.read_bytes()))  # the fake has written its own over it
    refused(own, words, "20 of 35 operators", "More than one subgraph is not supported", code=1)
    log.write_text("something else")
    refused(own, words, code=1)
    compiled.write_bytes(compiled.read_bytes()[:1000])
    refused(own, words)


def with_custom_operator(data: bytes) -> bytes:
    """A TFLite file one of whose operators is the one that the Edge TPU's compiler writes."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(data, 0)
    model.operatorCodes[0].customCode = b"edgetpu-custom-op"
    builder = flatbuffers.Builder(len(data))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.mark.parametrize(("finds", "code"), [("all", 0), ("some", 1), ("gives up", 1)])
def test_a_compiler_on_path_is_used(
    finds: str, code: int, own: Path, calibration: Path, command: Command, exported: Path
) -> None:
    assert exported
    path = f"{FAKES}:{os.environ['PATH']}"
    words = ("export", own, "--target", "edgetpu", "--calibration", calibration, "--pictures", 64)
    done = command(*words, PATH=path, FAKE_EDGETPU=finds)
    assert done.returncode == code, done.stderr
    if code == 0:
        artifact = open_bundle(own).artifact("edgetpu", "int8")
        assert artifact.path == "edgetpu/model_int8_edgetpu.tflite"
        assert artifact.report["checked_by"] == "edgetpu_compiler 16.0.384591198"
        assert artifact.parity["label_agreement"] >= 0.97  # of the file it was compiled from
    else:
        assert not (own / "edgetpu").exists()


def test_rules_find_what_breaks_them(exported: Path) -> None:
    from fer_edge.export.tflite.edgetpu_rules import check
    from fer_edge.export.tflite.flatbuffer import Flat, Operator, read_tflite

    flat = read_tflite(exported / "bundle/edgetpu/model_int8.tflite")

    def broken(place: int, change: object) -> str:
        operators = list(flat.operators)
        operators[place] = change(operators[place])  # type: ignore[operator]
        verdict = check(Flat(tuple(operators), flat.inputs, flat.outputs, flat.tensors, 1))
        assert verdict.mapped == verdict.total - 1
        return " ".join(verdict.problems)

    def tensor(op: Operator, place: int, **values: object) -> Operator:
        inputs = list(op.inputs)
        inputs[place] = replace(inputs[place], **values)  # type: ignore[arg-type]
        return replace(op, inputs=tuple(inputs))

    conv = next(i for i, op in enumerate(flat.operators) if op.name == "CONV_2D")
    last = len(flat.operators) - 1
    pool = next(i for i, op in enumerate(flat.operators) if op.name == "MAX_POOL_2D")
    assert "not on the Edge TPU's list" in broken(0, lambda op: replace(op, name="PADV2"))
    assert "version 6" in broken(conv, lambda op: replace(op, version=6))
    assert "no fixed size" in broken(conv, lambda op: tensor(op, 0, dynamic=True))
    assert "FLOAT32" in broken(conv, lambda op: tensor(op, 1, dtype="FLOAT32"))
    assert "not quantised" in broken(conv, lambda op: tensor(op, 0, scales=()))
    assert "symmetric" in broken(conv, lambda op: tensor(op, 1, zero_points=(3,)))
    assert "inner three dimensions" in broken(conv, lambda op: tensor(op, 0, shape=(2, 8, 8, 3)))
    assert "grouped" in broken(conv, lambda op: tensor(op, 1, shape=(64, 7, 7, 1)))
    assert "one scale a channel" in broken(last, lambda op: tensor(op, 1, scales=(0.1,) * 7))
    fused = {"fusedActivationFunction": 1}
    assert "fused activation" in broken(pool, lambda op: replace(op, options={**op.options, **fused}))
    assert check(replace(flat, subgraphs=2)).foreign
    floating = replace(flat.inputs[0], dtype="FLOAT32")
    assert check(replace(flat, inputs=(floating,), tensors=(*flat.tensors, floating))).foreign
    assert not check(flat).foreign


@pytest.mark.parametrize("damage", ["cut", "foreign"])
def test_a_damaged_tflite_file(damage: str, exported: Path, tmp_path: Path) -> None:
    from fer_edge.export.tflite.flatbuffer import read_tflite
    from fer_edge.runtime.backends import open_backend

    data = (exported / "bundle/edgetpu/model_int8.tflite").read_bytes()
    path = tmp_path / "a.tflite"
    path.write_bytes(data[: len(data) // 3] if damage == "cut" else b"nonsense" * 100)
    with pytest.raises(BundleDamaged):
        open_backend("tflite", path, {})
    if damage == "foreign":
        with pytest.raises(InputError, match=r"not a whole \.tflite file"):
            read_tflite(path)
