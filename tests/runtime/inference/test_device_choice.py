"""What a device runs, and what is said of one that is not here: the same in every verb, without any device."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fer_edge.devices.detect import is_here, looked_for
from fer_edge.devices.profile import find_profile, load_profiles
from fer_edge.errors import BundleError
from fer_edge.runtime.inference.open_device import bundle_for, made_for

Command = Callable[..., subprocess.CompletedProcess[str]]
QUICK = ("--source", "demo:0.2", "--detector", "haar", "--json")
VERBS = {
    "run": ("run", *QUICK),
    "benchmark": ("benchmark", "--quick"),
    "verify": ("verify", "--seconds", 0.1),
    "build-engine": ("build-engine",),
}
AWAY = ("coral", "ncs2", "jetson-nano", "rk3588", "imx93", "intel-npu")


@pytest.mark.parametrize(
    ("verb", "device"), [*(("run", d) for d in AWAY), *((v, d) for v in [*VERBS][1:] for d in ("coral", "jetson-nano"))]
)
def test_an_absent_device_is_told_before_its_artifacts(verb: str, device: str, command: Command) -> None:
    profile = find_profile(device)
    if is_here(profile):
        pytest.skip(f"{device} is here")
    done = command(*VERBS[verb], "--device", device)
    assert done.returncode == 3, done.stderr
    assert "looked for" in done.stderr
    assert looked_for(profile).split(",")[0] in done.stderr
    assert "--calibration" not in done.stderr


@pytest.mark.parametrize("device", AWAY)
def test_the_processor_stands_in_for_all_that_is_missing(device: str, command: Command) -> None:
    """No device, no artifact, none that was compiled, no interpreter, no engine: degraded, and why."""
    if is_here(find_profile(device)):
        pytest.skip(f"{device} is here")
    done = command("run", *QUICK, "--device", device, "--fallback", "cpu")
    assert done.returncode == 0, done.stderr
    about = json.loads(done.stdout)["device"]
    assert (about["degraded"], about["backend"]) == (True, "onnxruntime")
    assert about["last_fault"]
    assert about["bundle"].startswith(made_for(find_profile(device)))
    assert about["artifact"] == "onnx/model_int8.onnx", "it must name what ran"


@pytest.mark.parametrize("broken", ["cut short for its reader", "of another backend's kind"])
def test_the_processor_stands_in_for_a_file_that_the_device_cannot_read(
    broken: str, student: Path, tmp_path: Path, command: Command
) -> None:
    """In a worker or in this very process."""
    isolation = "none" if "another" in broken else "process"
    text = 'name = "v"\ntitle = "V"\nbackend = "tflite"\ntarget = "edgetpu"\nprecision = "int8"\n'
    (tmp_path / "v.toml").write_text(text + f'isolation = "{isolation}"\n')
    bundle = Path(shutil.copytree(student, tmp_path / "b"))
    (bundle / "edgetpu/model_int8.tflite").write_bytes(b"no TFLite at all")
    manifest = json.loads((bundle / "bundle.json").read_text())
    entry = next(a for a in manifest["artifacts"] if a["target"] == "edgetpu")
    from fer_edge.bundle import describe_file

    entry["sha256"], entry["size"] = describe_file(bundle / entry["path"])
    (bundle / "bundle.json").write_text(json.dumps(manifest))
    words = ("run", *QUICK, "--device", "v.toml", "--bundle", bundle)
    assert command(*words).returncode in (2, 3)  # 3 without any TFLite
    done = command(*words, "--fallback", "cpu")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["device"]["degraded"] is True


def test_a_stand_in_may_serve_a_benchmark_and_a_checked_configuration(command: Command, tmp_path: Path) -> None:
    done = command("benchmark", "--device", "rk3566", "--fallback", "cpu", "--quick", "--json")
    assert done.returncode == 1, done.stderr
    row = json.loads(done.stdout)["rows"][0]
    assert (row["degraded"], row["artifact"], row["precision"]) == (True, "onnx/model_int8.onnx", "int8")
    (tmp_path / "k.toml").write_text('[model]\ndevice = "rk3566"\n')
    for fallback, key in (("none", "errors"), ("cpu", "warnings")):
        done = command("config", "check", "k.toml", "--set", f"model.fallback={fallback}", "--json")
        problems = {p["key"]: p["what"] for p in json.loads(done.stdout)[key]}
        assert "rk3566 is not here: looked for a board" in problems["model.device"]


def test_every_verb_takes_the_same_bundle(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    from fer_edge.benchmarks.measure.options import MeasureOptions

    for profile in load_profiles().values():
        (measured,) = MeasureOptions().models_for(profile)
        assert bundle_for(profile).manifest.name == bundle_for(profile, measured).manifest.name == made_for(profile)
    done = command("benchmark", "estimate", "--device", "coral")
    assert done.stdout.startswith("estimate, not a measurement: edgetpu")


def test_a_device_takes_the_first_bundle_that_suits_it_and_ships(monkeypatch: pytest.MonkeyPatch) -> None:
    small = find_profile("rpi-zero2")
    assert small.bundles == ("pico", "default")
    for ships, taken in ((("default", "edgetpu"), "default"), (("default", "edgetpu", "pico"), "pico")):
        monkeypatch.setattr("fer_edge.runtime.inference.open_device.shipped_bundles", lambda ships=ships: ships)
        assert made_for(small) == taken
        assert made_for(find_profile("coral")) == "edgetpu"
        assert made_for(find_profile("rpi5")) == "default"
    with pytest.raises(BundleError, match="no-such-bundle"):
        bundle_for(replace(small, bundles=("no-such-bundle",)))


def test_a_card_gets_the_bundle_that_suits_its_board(tmp_path: Path) -> None:
    from fer_edge.devices.flash.options import CardOptions, Listener
    from fer_edge.devices.flash.payload.parts import prepare_parts

    for device in ("rpi-zero2", "rpi5"):
        parts = prepare_parts(CardOptions(tmp_path / "stock.img", device=device), Listener())
        assert parts.bundle.manifest.name == made_for(find_profile(device))


def test_an_interpreter_that_is_only_a_shim(student: Path, tmp_path: Path, command: Command) -> None:
    """As pyenv's, for a version that is not chosen: all it says is told, and it is an absence."""
    shim = tmp_path / "python2.1"
    shim.write_text("#!/bin/sh\necho 'shim: python2.1: command not found' >&2; echo 'Note: more' >&2; exit 127\n")
    shim.chmod(0o755)
    text = 'name = "v"\ntitle = "V"\nbackend = "tflite"\ntarget = "edgetpu"\nprecision = "int8"\n'
    (tmp_path / "v.toml").write_text(text + f'isolation = "process"\ninterpreter = "{shim}"\n')
    done = command("run", *QUICK, "--device", "v.toml", "--bundle", student)
    assert done.returncode == 3, done.stderr
    assert "shim: python2.1: command not found Note: more" in done.stderr
