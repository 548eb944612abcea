"""Each vendor's backend in the worker: in the old interpreters it must live in, with sticks that come and go."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from ctypes.util import find_library
from pathlib import Path

import numpy as np
import pytest
from fer_edge.bundle import Bundle
from fer_edge.errors import BundleDamaged, DeviceFailed, DeviceNotFound
from fer_edge.runtime.backends import backend_file, open_backend
from fer_edge.runtime.inference.supervisor import SupervisedBackend
from fer_edge.runtime.inference.worker_client import RemoteBackend
from support.coral import coral_profile
from support.old_pythons import compiled, old_python, with_fakes

Command = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).resolve().parents[3]
SMALL = np.full((1, 8, 8, 3), 200, np.uint8)


def crops(count: int = 2) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 112, 112, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def int8_file(student: Path) -> Path:
    return student / "edgetpu" / "model_int8.tflite"


# Old interpreters, real libraries


@pytest.mark.parametrize("version", ["3.6", pytest.param("3.8", marks=pytest.mark.campaign)])
def test_onnxruntime(version: str, bundle: Bundle, kept: Path) -> None:
    """The Jetson Nano's own Python, with the last ONNX Runtime made for it, answers this one."""
    python = old_python(version, kept, "onnxruntime==1.10.0", "numpy==1.19.5")
    artifact = bundle.path(bundle.reference)
    apart = RemoteBackend(backend_file("onnxruntime"), artifact, {"threads": 1}, python=python)
    here = open_backend("onnxruntime", artifact, {"threads": 1})
    assert apart.describe()["python"].startswith(version)
    assert apart.describe()["version"] == "1.10.0"
    assert np.abs(apart.infer(crops()) - here.infer(crops())).max() < 1e-3
    apart.close()


@pytest.mark.parametrize(
    ("version", "release"),
    [
        pytest.param("3.7", "2.11.0", marks=pytest.mark.campaign),
        pytest.param("3.8", "2.14.0", marks=pytest.mark.campaign),
    ],
)
def test_tflite_runtime(version: str, release: str, int8_file: Path, kept: Path) -> None:
    """2.11 is the newest that Google's own libedgetpu pairs with. There is no wheel for 3.6."""
    python = old_python(version, kept, f"tflite-runtime=={release}", "numpy<2")
    apart = RemoteBackend(
        backend_file("tflite"), int8_file, {}, python=python, call_s=60
    )  # 2.11 takes a second a picture
    about = apart.describe()
    assert (about["library"], about["version"]) == ("tflite_runtime", release)
    assert about["python"].startswith(version)
    here = open_backend("tflite", int8_file, {})
    assert np.abs(apart.infer(crops()) - here.infer(crops())).max() < 0.35  # three steps of the output's scale
    apart.close()


@pytest.mark.parametrize("version", [pytest.param("3.6", marks=pytest.mark.campaign), "3.8"])
def test_openvino_2021(version: str, bundle: Bundle, kept: Path) -> None:
    """The release that drives the NCS2, on its processor plug-in; without a stick MYRIAD is a sentence."""
    python = old_python(version, kept, "openvino==2021.4.2")
    artifact = bundle.path(bundle.reference)
    apart = RemoteBackend(backend_file("openvino-2021"), artifact, {"device": "CPU"}, python=python)
    assert apart.describe()["version"].startswith("2021.4.2")
    assert np.abs(apart.infer(crops()) - open_backend("onnxruntime", artifact, {}).infer(crops())).max() < 1e-3
    apart.close()
    said = "no MYRIAD device answers" if find_library("usb-1.0") else r"libusb-1\.0\.so\.0: cannot open"
    with pytest.raises(DeviceNotFound, match=said):
        RemoteBackend(backend_file("openvino-2021"), artifact, {"device": "MYRIAD"}, python=python)


@pytest.mark.campaign
def test_openvino_on_3_8(bundle: Bundle, kept: Path) -> None:
    python = old_python("3.8", kept, "openvino==2024.4.0")
    artifact = bundle.path(bundle.reference)  # OpenVINO reads ONNX too
    apart = RemoteBackend(backend_file("openvino"), artifact, {}, python=python)
    assert apart.describe()["version"].startswith("2024.4")
    assert np.abs(apart.infer(crops()) - open_backend("onnxruntime", artifact, {}).infer(crops())).max() < 1e-3
    apart.close()


@pytest.mark.parametrize("name", ["tflite", "openvino", "openvino-2021", "tensorrt", "rknn", "hailo"])
def test_a_library_that_is_not_there_is_a_sentence_on_3_6(name: str, int8_file: Path, kept: Path) -> None:
    python = old_python("3.6", kept, "onnxruntime==1.10.0", "numpy==1.19.5")
    with pytest.raises(DeviceNotFound, match=f"the backend {name} cannot start: (No module named|no CUDA runtime)"):
        RemoteBackend(backend_file(name), int8_file, {}, python=python)


# The Edge TPU: a real TensorFlow Lite, a delegate of our own that takes the graph


@pytest.fixture
def stick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Says whether the stick is here; may be changed while a worker runs."""
    path = tmp_path / "stick"
    path.write_text("here")
    monkeypatch.setenv("FAKE_EDGETPU", str(path))
    return path


@pytest.fixture
def delegate(tmp_path: Path) -> dict[str, str]:
    return {"delegate": str(compiled("edgetpu_delegate.c", tmp_path / "libedgetpu.so.1"))}


def test_a_delegate_takes_the_graph(int8_file: Path, stick: Path, delegate: dict[str, str]) -> None:
    apart = RemoteBackend(backend_file("tflite"), int8_file, delegate)
    logits = apart.infer(crops())
    assert logits.shape == (2, 7)
    assert not np.allclose(logits, open_backend("tflite", int8_file, {}).infer(crops()))  # the processor had no part
    assert apart.describe()["device"] == delegate["delegate"]
    apart.close()


def test_pulled_out_between_two_calls_and_put_back(int8_file: Path, stick: Path, delegate: dict[str, str]) -> None:
    clock = [0.0]
    backend = SupervisedBackend(
        lambda: RemoteBackend(backend_file("tflite"), int8_file, delegate), clock=lambda: clock[0]
    )
    backend.infer(crops(1))
    stick.write_text("absent")
    with pytest.raises(DeviceFailed, match="the backend tflite failed: Failed to execute request"):
        backend.infer(crops(1))
    clock[0] += 100
    with pytest.raises(DeviceFailed, match="finds no device"):
        backend.infer(crops(1))
    stick.write_text("here")
    clock[0] += 100
    assert backend.infer(crops(1)).shape == (1, 7)
    assert backend.health.restarts == 1
    assert len(backend.health.faults) == 2
    backend.close()


def test_a_pair_that_does_not_fit_is_a_sentence(stick: Path, delegate: dict[str, str], tmp_path: Path) -> None:
    """The delegate comes first: the process ends before any model is read, and its last words say why."""
    stick.write_text("mismatched")
    with pytest.raises(DeviceFailed, match="ended by SIGABRT") as caught:
        RemoteBackend(backend_file("tflite"), tmp_path / "no-such-model.tflite", delegate)
    assert "libedgetpu.so.1 does not pair with the ai_edge_litert" in caught.value.cause
    stick.write_text("absent")
    with pytest.raises(DeviceNotFound, match="finds no device"):
        RemoteBackend(backend_file("tflite"), tmp_path / "no-such-model.tflite", delegate)


def test_a_later_crash_is_not_blamed_on_the_pair(int8_file: Path, stick: Path, delegate: dict[str, str]) -> None:
    import os
    import signal

    apart = RemoteBackend(backend_file("tflite"), int8_file, delegate)
    os.kill(apart.pid, signal.SIGSEGV)
    with pytest.raises(DeviceFailed, match="SIGSEGV") as caught:
        apart.infer(crops(1))
    assert "pair" not in caught.value.cause


def test_a_run_on_the_delegate(
    int8_file: Path, stick: Path, delegate: dict[str, str], clip: Path, tmp_path: Path, command: Command
) -> None:
    """`run` with a profile made from the Coral's: on the stick, and, when it is absent, as --fallback says."""
    own = tmp_path / "own"
    subprocess.run(["cp", "-r", int8_file.parent.parent, own], check=True)
    manifest = json.loads((own / "bundle.json").read_text())
    next(a for a in manifest["artifacts"] if a["target"] == "edgetpu")["report"]["compiled"] = True  # as far as we go
    (own / "bundle.json").write_text(json.dumps(manifest))
    words = ("run", "--source", clip, "--bundle", own, "--device", coral_profile(tmp_path), "--seconds", 1, "--json")
    done = command(*words)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)["device"]
    assert (said["device"], said["degraded"]) == (delegate["delegate"], False)
    stick.write_text("absent")
    done = command(*words)
    assert done.returncode == 3
    assert "finds no device" in done.stderr
    assert "looked for USB 1a6e:089a, USB 18d1:9302" in done.stderr
    done = command(*words, "--fallback", "cpu")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["device"]["degraded"] is True


# The NCS2 and the Jetson: calls held against the documented interfaces


def test_the_ncs2s_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_MYRIAD", str(tmp_path / "stick"))
    (tmp_path / "stick").write_text("here")
    (tmp_path / "model.onnx").write_bytes(b"graph")
    python = with_fakes(tmp_path / "python", modules="openvino_2021")
    file = backend_file("openvino-2021")
    apart = RemoteBackend(file, tmp_path / "model.onnx", {"device": "MYRIAD", "threads": 2}, python=python)
    assert apart.infer(np.concatenate([SMALL] * 2)).tolist() == [[200.0] * 7] * 2
    assert apart.describe()["device"] == "MYRIAD"
    (tmp_path / "stick").write_text("absent")
    with pytest.raises(DeviceFailed, match="NC_ERROR"):
        apart.infer(SMALL)
    apart.close()
    with pytest.raises(DeviceNotFound, match="no MYRIAD device answers"):
        RemoteBackend(file, tmp_path / "model.onnx", {"device": "MYRIAD"}, python=python)


def test_the_hailos_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state, hef = tmp_path / "state", tmp_path / "model.hef"
    monkeypatch.setenv("FAKE_HAILO", str(state))
    state.write_text("here")
    hef.write_text("\x01HEF8 8 3\n")
    python, file = with_fakes(tmp_path / "python", modules="hailo"), backend_file("hailo")
    apart = RemoteBackend(file, hef, {}, python=python)
    answers = apart.infer(np.concatenate([SMALL, SMALL - 100]))
    assert answers.tolist() == [[mean + i for i in range(7)] for mean in (200.0, 100.0)]
    about = apart.describe()
    assert (about["backend"], about["device"], about["input"]) == ("hailo", "0000:01:00.0", ["u8", 1, 8, 8, 3])
    state.write_text("lost")
    with pytest.raises(DeviceFailed, match="a timeout had occurred"):
        apart.infer(SMALL)
    apart.close()
    state.write_text("absent")
    with pytest.raises(DeviceNotFound, match="HailoRT finds no device"):
        RemoteBackend(file, hef, {}, python=python)
    state.write_text("busy")
    with pytest.raises(DeviceFailed, match=r"does not take the file: .*HAILO_DEVICE_IN_USE"):
        RemoteBackend(file, hef, {}, python=python)
    state.write_text("here")
    for content, says in (
        ("8 8 3", "Invalid HEF"),
        ("\x01HEF8 8 1", "no square picture"),
        ("\x01HEF8 9 3", "no square"),
    ):
        hef.write_text(content + "\n")
        with pytest.raises(BundleDamaged, match=says):
            RemoteBackend(file, hef, {}, python=python)


@pytest.mark.parametrize("release", ["tensorrt_8_2", "tensorrt_8_6", "tensorrt_10"])
def test_tensorrts_calls(release: str, tmp_path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the Nano's Python 3.6 for its own release; device memory through a real shared library by ctypes."""
    base = old_python("3.6", kept, "onnxruntime==1.10.0", "numpy==1.19.5") if release == "tensorrt_8_2" else None
    compiled("cudart.c", tmp_path / "lib" / "libcudart.so")
    python = with_fakes(tmp_path / "python", base or sys.executable, modules=release, libraries=tmp_path / "lib")
    engine = tmp_path / "a.engine"
    engine.write_bytes(b"engine")
    apart = RemoteBackend(backend_file("tensorrt"), engine, {}, python=python)
    assert apart.infer(np.concatenate([SMALL] * 2)).tolist() == [[200.0 + i for i in range(7)]] * 2
    assert apart.describe()["python"].startswith("3.6" if base else "3.")
    apart.close()
    monkeypatch.setenv("FAKE_CUDA_BYTES", "100")
    with pytest.raises(DeviceFailed, match="out of memory"):
        RemoteBackend(backend_file("tensorrt"), engine, {}, python=python)
    engine.write_bytes(b"of another TensorRT")
    with pytest.raises(BundleDamaged, match="build it again"):
        RemoteBackend(backend_file("tensorrt"), engine, {}, python=python)
