"""The target hailo: a folder for a compiler that is not here, and the way back of what it makes."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fer_edge.bundle import Bundle, default_bundle, open_bundle, sha256_of
from fer_edge.bundle.portraits import portraits
from fer_edge.devices.profile import PROFILES
from fer_edge.runtime.inference.classifier import Classifier
from support.children import FAKES
from support.old_pythons import with_fakes

Command = Callable[..., subprocess.CompletedProcess[str]]
onnx = pytest.importorskip("onnx", reason="needs the export extra")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with `mine` and `mine-hailo`, and what the export said."""
    folder = tmp_path_factory.mktemp("hailo")
    words = ("export", "default", "--target", "hailo", "--out", "mine")
    done = subprocess.run(
        [sys.executable, "-m", "fer_edge", *words], cwd=folder, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.fixture
def own(made: tuple[Path, str], tmp_path: Path) -> Path:
    """A copy of that folder, to be changed: the one that `command` runs in."""
    return Path(shutil.copytree(made[0], tmp_path, dirs_exist_ok=True))


@pytest.fixture
def compiled(own: Path) -> Path:
    """The same after the exported script ran with the stand-in for Hailo's compiler."""
    script = [sys.executable, own / "mine-hailo" / "compile.py"]
    done = subprocess.run(script, env={"PYTHONPATH": str(FAKES / "hailo")}, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return own


def add(command: Command, **changed: object) -> subprocess.CompletedProcess[str]:
    words = {"bundle": "mine", "file": "mine-hailo/model.hef", "log": "mine-hailo/compiled.json", **changed}
    return command("bundle", "add", words["bundle"], words["file"], "--log", words["log"])


def test_what_the_compiler_wants_lies_beside_the_bundle(made: tuple[Path, str], bundle: Bundle) -> None:
    folder, said = made
    there = folder / "mine-hailo"
    names = {"model.onnx", "calibration.npy", "model.alls", "compile.py", "settings.json"}
    assert {path.name for path in there.iterdir()} == names
    assert "prepared, and nothing that runs" in said
    assert f"fer-edge bundle add mine {there}/model.hef --log {there}/compiled.json" in said
    assert open_bundle(folder / "mine").manifest == bundle.manifest
    pictures = np.load(there / "calibration.npy")
    assert (pictures.dtype, pictures.shape) == (np.uint8, (32, 112, 112, 3))
    calls = [node.func.attr for node in ast.walk(ast.parse((there / "compile.py").read_text()))
             if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]  # fmt: skip
    assert {"translate_onnx_model", "load_model_script", "optimize", "compile"} <= set(calls)


def test_graph_and_model_script_together_are_the_model(made: tuple[Path, str], bundle: Bundle) -> None:
    import onnxruntime

    there = made[0] / "mine-hailo"
    line = (there / "model.alls").read_text().splitlines()[0].partition(" = normalization(")[2].rstrip(")")
    mean, std = ast.literal_eval(f"({line})")
    crops = np.stack(portraits(112))
    session = onnxruntime.InferenceSession(there / "model.onnx", providers=["CPUExecutionProvider"])
    pictures = ((crops - np.float32(mean)) / np.float32(std)).transpose(0, 3, 1, 2)
    given = np.concatenate([session.run(None, {"normalised": p[None]})[0] for p in pictures])
    wanted = Classifier(bundle, bundle.reference).logits(crops)
    assert (given.argmax(1) == wanted.argmax(1)).all()
    assert np.abs(given - wanted).max() < 1e-3


def test_what_was_compiled_comes_back_and_runs(compiled: Path, command: Command) -> None:
    done = add(command)
    assert done.returncode == 0, done.stderr
    assert "not run here, so whether it agrees is not known" in done.stdout
    artifact = open_bundle(compiled / "mine").artifact("hailo", "int8")
    assert artifact.path == "hailo/model_int8_hailo8l.hef"
    assert artifact.sha256 == sha256_of(compiled / "mine-hailo" / "model.hef")
    assert artifact.calibration["pictures"] == 32
    assert not artifact.parity
    done = command("bundle", "check", "mine")
    assert "not run: hailo/model_int8_hailo8l.hef, it was compiled for hailo" in done.stdout, done.stderr
    (compiled / "state").write_text("here")
    python = with_fakes(compiled / "python", modules="hailo")
    text = (PROFILES / "hailo8l.toml").read_text().replace("/usr/bin/python3", python)
    (compiled / "kit.toml").write_text(text)
    words = ("run", "demo", "--seconds", 1, "--bundle", "mine", "--device", "kit.toml", "--json")
    done = command(*words, FAKE_HAILO=str(compiled / "state"))
    assert done.returncode == 0, done.stderr
    device = json.loads(done.stdout)["device"]
    assert (device["backend"], device["artifact"]) == ("hailo", "hailo/model_int8_hailo8l.hef")
    assert device["degraded"] is False


def test_another_file_or_another_model_is_refused(compiled: Path, command: Command) -> None:
    before = (compiled / "mine" / "bundle.json").read_bytes()
    (compiled / "other.hef").write_bytes(b"\x01HEF8 8 3\n")
    (compiled / "page.hef").write_bytes(b"<html>")
    record = json.loads((compiled / "mine-hailo" / "compiled.json").read_text())
    (compiled / "away.json").write_text(json.dumps({**record, "chip": "../../hailo8l"}))
    (compiled / "cut.json").write_text(json.dumps(record)[:-9])
    shutil.copytree(default_bundle("edgetpu"), compiled / "student")
    for changed, says in (
        ({"file": "other.hef"}, "tells of another file than other.hef"),
        ({"file": "page.hef"}, "page.hef is no .hef file"),
        ({"file": "none.hef"}, "none.hef cannot be read (No such file or directory)"),
        ({"log": "none.json"}, "none.json cannot be read"),
        ({"log": "away.json"}, "away.json is no record of a compilation for hailo8l"),
        ({"log": "cut.json"}, "cut.json is no record"),
        ({"log": "mine-hailo/settings.json"}, "settings.json is no record"),
        ({"bundle": "student"}, "was compiled from another model"),
        ({"bundle": "default"}, "default is part of fer-edge, or a .zip, and stays as it is"),
    ):
        done = add(command, **changed)
        assert (done.returncode, says in done.stderr) == (2, True), done.stderr
    assert (compiled / "mine" / "bundle.json").read_bytes() == before


def test_hours_of_compiling_are_not_replaced(compiled: Path, command: Command) -> None:
    words = ("export", "mine", "--target", "hailo")
    hef = (compiled / "mine-hailo" / "model.hef").read_bytes()
    done = command(*words)
    assert (done.returncode, "it holds a compiled file" in done.stderr) == (2, True), done.stderr
    assert (compiled / "mine-hailo" / "model.hef").read_bytes() == hef
    (compiled / "mine-hailo" / "model.hef").unlink()
    done = command(*words)
    assert done.returncode == 0, done.stderr
    done = command(*words, "--chip", "hailo9")
    assert (done.returncode, "hailo is not exported for hailo9" in done.stderr) == (2, True), done.stderr


def test_a_graph_that_was_changed_is_not_compiled(own: Path) -> None:
    with (own / "mine-hailo" / "model.onnx").open("ab") as file:
        file.write(b"\0")
    script = [sys.executable, own / "mine-hailo" / "compile.py"]
    done = subprocess.run(script, env={"PYTHONPATH": str(FAKES / "hailo")}, capture_output=True, text=True, timeout=600)
    assert done.returncode == 1
    assert "model.onnx is not the one that was exported" in done.stderr


def test_all_is_without_it() -> None:
    """It makes nothing that runs, and writes faces to the disk."""
    from fer_edge.export.targets import choose, left_out

    assert "hailo" not in {*choose("all", None, None, {}), *left_out(None, {})}
