"""OpenVINO: the real one on this processor beside ONNX Runtime; by a fake, GPUs and NPUs that AUTO takes or not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from fer_edge.bundle import Bundle, parity
from fer_edge.devices.profile import PROFILES, find_profile
from fer_edge.errors import DeviceFailed, DeviceNotFound, UsageError
from fer_edge.runtime.backends import backend_file, open_backend
from fer_edge.runtime.inference.acceptance import golden_crops
from fer_edge.runtime.inference.open_device import open_device
from fer_edge.runtime.inference.worker_client import RemoteBackend
from support.front_door import run_verb
from support.kiosks import Running
from support.old_pythons import with_fakes

QUICK = ("demo:0.3", "--detector", "haar")
Open = Callable[..., RemoteBackend]


@pytest.mark.parametrize("device", ["intel-cpu", "intel-auto"])
@pytest.mark.parametrize(("precision", "error", "equal"), [("float16", 1e-3, 1.0), ("int8", 0.1, 0.9)])
def test_it_says_what_onnx_runtime_says(
    device: str, precision: str, error: float, equal: float, bundle: Bundle
) -> None:
    """The float graph within a thousandth: on a processor with bfloat16 the plug-in would compute in that, unasked."""
    pytest.importorskip("openvino", reason="needs the intel extra")
    crops = golden_crops(112)
    ours = open_device(find_profile("cpu"), bundle, precision=precision)
    theirs = open_device(find_profile(device), bundle, precision=precision)
    about = theirs.describe()
    assert (about["backend"], about["device"]) == ("openvino", "CPU")
    assert about.get("asked") == ("AUTO" if device == "intel-auto" else None)
    assert "passed_over" not in about
    found = parity(ours.logits(crops), theirs.logits(crops))
    theirs.close()
    assert found["logit_error"] < error
    assert found["label_agreement"] >= equal


def test_every_verb_tells_what_auto_took(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("openvino", reason="needs the intel extra")
    code, said = run_verb(capsys, "run", *QUICK, "--device", "intel-auto")
    assert code == 0, said
    assert " on CPU (the choice of AUTO), int8" in said
    code, said = run_verb(capsys, "doctor", "--device", "intel-auto", "--json")
    seen = {finding["name"]: finding["seen"] for finding in json.loads(said)["findings"]}
    assert seen["device"] == "always"
    assert seen["plug-in"].startswith("AUTO takes CPU; OpenVINO sees ")
    code, said = run_verb(capsys, "benchmark", "--device", "intel-auto", "--quick", "--out", tmp_path / "out")
    assert "AUTO took CPU" in said
    assert "AUTO took CPU" in (tmp_path / "out" / "results.md").read_text()


@pytest.fixture
def opened(tmp_path: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """The backend over the fake, with these devices."""
    held: list[RemoteBackend] = []
    python = with_fakes(tmp_path / "python", modules="openvino_devices")

    def open_(seen: str, device: str) -> RemoteBackend:
        monkeypatch.setenv("FAKE_OPENVINO", seen)
        file = backend_file("openvino")
        held.append(RemoteBackend(file, bundle.path(bundle.reference), {"device": device}, python=python))
        return held[-1]

    yield open_
    for backend in held:
        backend.close()


@pytest.mark.parametrize(
    ("seen", "asked", "took", "passed_over"),
    [
        ("CPU", "AUTO", "CPU", ""),
        ("CPU GPU", "AUTO", "GPU", ""),
        ("CPU GPU.0 GPU.1", "AUTO", "GPU.0", ""),
        ("CPU !GPU.0 GPU.1", "AUTO", "GPU.1", ""),
        ("CPU !GPU", "AUTO", "CPU", "GPU"),
        ("CPU NPU", "AUTO", "CPU", ""),
        ("CPU NPU", "AUTO:NPU,GPU,CPU", "NPU", ""),
        ("CPU !NPU", "AUTO:NPU,GPU,CPU", "CPU", "NPU, GPU"),
        ("CPU GPU.0", "AUTO:NPU,GPU,CPU", "GPU.0", "NPU"),
        ("CPU GPU", "AUTO:CPU,GPU", "CPU", ""),
    ],
)
def test_what_auto_took_and_what_it_passed_over(
    seen: str, asked: str, took: str, passed_over: str, opened: Open
) -> None:
    about = opened(seen, asked).describe()
    assert (about["device"], about["asked"], about.get("passed_over", "")) == (took, asked, passed_over)


@pytest.mark.parametrize(("asked", "took"), [("GPU", "GPU.0"), ("NPU", "NPU"), ("GPU.1", "GPU.1")])
def test_a_device_by_its_name(asked: str, took: str, opened: Open) -> None:
    """No AUTO: it runs there or nowhere."""
    backend = opened("CPU GPU.0 GPU.1 NPU", asked)
    assert (backend.describe()["device"], backend.describe().get("asked")) == (took, None)
    assert backend.infer(np.zeros((2, 112, 112, 3), np.uint8)).shape == (2, 7)
    with pytest.raises(DeviceNotFound, match=f"OpenVINO finds no {asked}, only CPU"):
        opened("CPU", asked)
    with pytest.raises(DeviceFailed, match=f"{asked} does not take the graph: .GPU. out of resources"):
        opened(f"CPU !{asked}", asked)


@pytest.mark.parametrize("device", ["GPU", "NPU"])
def test_an_intel_device_that_is_not_there(device: str, bundle: Bundle) -> None:
    pytest.importorskip("openvino", reason="needs the intel extra")
    with pytest.raises(DeviceNotFound, match=f"OpenVINO finds no {device}, only CPU"):
        open_backend("openvino", bundle.path(bundle.reference), {"device": device})


def faked(tmp_path: Path, name: str = "intel-auto") -> Path:
    """A profile that ships, over the fake."""
    python = with_fakes(tmp_path / "python", modules="openvino_devices")
    text = (PROFILES / f"{name}.toml").read_text(encoding="utf-8")
    own = tmp_path / "own.toml"
    own.write_text(text.replace("\n[options]", f'interpreter = "{python}"\n\n[options]'), encoding="utf-8")
    return own


def test_a_gpu_that_auto_passes_over_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = faked(tmp_path)
    monkeypatch.setenv("FAKE_OPENVINO", "CPU !GPU")
    code, said = run_verb(capsys, "run", *QUICK, "--device", own)
    assert code == 0, said
    assert " on CPU (the choice of AUTO, which passed over GPU), int8" in said
    code, said = run_verb(capsys, "doctor", "--device", own)
    assert "AUTO takes CPU; OpenVINO sees CPU, GPU" in said
    code, said = run_verb(capsys, "benchmark", "--device", own, "--quick", "--out", tmp_path / "out")
    assert "PASSED OVER: AUTO did not take GPU; AUTO took CPU" in said
    monkeypatch.setenv("FAKE_OPENVINO", "!CPU !GPU")
    code, said = run_verb(capsys, "run", *QUICK, "--device", own)
    assert code == 4, said
    assert "AUTO does not take the graph" in said
    code, said = run_verb(capsys, "doctor", "--device", own)
    assert code == 3
    assert "cannot be used: RuntimeError: no device of AUTO takes it" in said


def test_a_kiosk_is_degraded_while_a_gpu_is_passed_over(
    tmp_path: Path, clip: Path, yunet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("aiohttp", reason="needs the kiosk extra")
    lines = f'[model]\ndevice = "{faked(tmp_path)}"\n'
    kiosk = Running(tmp_path / "kiosk", str(clip), lines, FAKE_OPENVINO="CPU !GPU").start().ready()
    try:
        state = kiosk.state()
        metrics = kiosk.ask("/metrics")
    finally:
        kiosk.stop()
    assert state["health"] == {"condition": "degraded", "reason": "OpenVINO's AUTO took CPU and passed over GPU"}
    assert {"device": "CPU", "asked": "AUTO", "passed_over": "GPU"}.items() <= state["device"].items()
    assert 'asked="AUTO",passed_over="GPU"' in metrics


def test_a_device_that_openvino_has_not(tmp_path: Path, bundle: Bundle) -> None:
    """A slip in one's own profile is an error, whatever it is."""
    pytest.importorskip("openvino", reason="needs the intel extra")
    for device in ("AUTO:FOO", "gpu", "", "CPU,GPU"):
        own = tmp_path / "own.toml"
        text = (PROFILES / "intel-cpu.toml").read_text(encoding="utf-8")
        own.write_text(text.replace('device = "CPU"', f'device = "{device}"'), encoding="utf-8")
        with pytest.raises((DeviceFailed, DeviceNotFound, UsageError)):
            open_device(find_profile(str(own)), bundle)
