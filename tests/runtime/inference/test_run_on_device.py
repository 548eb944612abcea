"""`fer-edge run --device`: on a real clip, in a worker, with faults on the way."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.children import FAULTY_BACKEND

Command = Callable[..., subprocess.CompletedProcess[str]]


def profile(path: Path, name: str, backend: str, isolation: str) -> Path:
    keys = {"name": name, "title": name, "backend": backend, "target": "edgetpu", "precision": "int8"}
    path.write_text("".join(f'{k} = "{v}"\n' for k, v in {**keys, "isolation": isolation}.items()))
    return path


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A user's own profile: LiteRT on the processor, in a worker."""
    return profile(tmp_path / "litert.toml", "litert", "tflite", "process")


@pytest.fixture
def vendor(tmp_path: Path) -> str:
    """The PYTHONPATH of a third party that offers a faulty module by entry point."""
    site = tmp_path / "site"
    (site / "vendor-1.0.dist-info").mkdir(parents=True)
    (site / "vendor-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: vendor\nVersion: 1.0\n")
    (site / "vendor-1.0.dist-info" / "entry_points.txt").write_text("[fer_edge.backends]\nvendor = vendor_backend\n")
    (site / "vendor_backend.py").write_text(FAULTY_BACKEND.read_text())
    return str(site)


def test_a_clip_through_a_worker(own: Path, exported: Path, clip: Path, command: Command) -> None:
    words = ("run", "--source", clip, "--bundle", exported / "bundle", "--seconds", 2, "--json")
    apart = command(*words, "--device", own)
    assert apart.returncode == 0, apart.stderr
    said, plain = json.loads(apart.stdout), json.loads(command(*words).stdout)
    assert said["device"]["artifact"] == "edgetpu/model_int8.tflite"
    assert (said["device"]["backend"], said["device"]["degraded"]) == ("tflite", False)
    assert said["faces"] == plain["faces"] > 10
    assert max(said["expressions"], key=said["expressions"].get) == max(
        plain["expressions"], key=plain["expressions"].get
    )


def test_an_absent_device_fails_and_falls_back_only_when_told(
    exported: Path, clip: Path, tmp_path: Path, command: Command
) -> None:
    own = Path(shutil.copytree(exported / "bundle", tmp_path / "own"))
    words = ("run", "--source", clip, "--bundle", own, "--seconds", 1, "--device", "coral")
    done = command(*words)
    assert done.returncode == 3  # whatever the bundle holds
    assert "was not compiled for coral-usb, and would run on the processor" in done.stderr
    manifest = json.loads((own / "bundle.json").read_text())
    next(a for a in manifest["artifacts"] if a["target"] == "edgetpu")["report"]["compiled"] = True  # it was not
    (own / "bundle.json").write_text(json.dumps(manifest))
    done = command(*words)
    assert done.returncode == 3
    assert "libedgetpu.so.1 cannot be loaded" in done.stderr
    assert "fer-edge doctor" in done.stderr
    done = command(*words, "--fallback", "cpu")
    assert done.returncode == 0, done.stderr
    assert "coral:       degraded: the processor stood in for it" in done.stdout
    assert "libedgetpu.so.1 cannot be loaded" in done.stdout
    done = command(*words, "--fallback", "cpu", "--out", "s")
    assert done.returncode == 0, done.stderr


def test_a_bundle_without_the_artifact_names_the_export(clip: Path, tmp_path: Path, command: Command) -> None:
    (tmp_path / "mine.toml").write_text(  # a board that nothing identifies counts as here
        'name = "mine"\ntitle = "M"\nbackend = "rknn"\ntarget = "rknn"\nchip = "rk3566"\nprecision = "int8"\n'
        'isolation = "process"\n'
    )
    done = command("run", "--source", clip, "--device", "mine.toml")
    assert done.returncode == 2
    assert "has no artifact for mine" in done.stderr
    assert "fer-edge export default --target rknn --precision int8 --chip rk3566" in done.stderr
    done = command("run", "--source", clip, "--device", "corral")
    assert done.returncode == 3
    assert "did you mean coral" in done.stderr


def test_an_interpreter_that_is_not_there(own: Path, exported: Path, clip: Path, command: Command) -> None:
    own.write_text(own.read_text() + 'interpreter = "python2.1"\n')
    done = command("run", "--source", clip, "--bundle", exported / "bundle", "--device", own)
    assert done.returncode == 3
    assert "needs the interpreter python2.1" in done.stderr


def test_another_packages_backend(vendor: str, exported: Path, clip: Path, tmp_path: Path, command: Command) -> None:
    """It runs here and in a worker, without being registered anywhere."""
    for isolation in ("none", "process"):
        profile(tmp_path / "v.toml", "v", "vendor", isolation)
        words = ("run", "--source", clip, "--bundle", exported / "bundle", "--seconds", 0.5, "--device", "v.toml")
        done = command(*words, "--json", PYTHONPATH=vendor)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["device"]["backend"] == "faulty"


def test_the_acceptance_run(own: Path, exported: Path, tmp_path: Path, command: Command) -> None:
    words = ("verify", "--device", own, "--bundle", exported / "bundle", "--seconds", 1)
    done = command(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads((tmp_path / "verify-litert.json").read_text())
    assert said["passed"] is True
    assert said["parity"]["pictures"] == 32
    assert said["load"]["calls"] > 10
    assert said["backend"]["backend"] == "tflite"
    assert {f["name"] for f in said["doctor"]} >= {"interpreter", "library", "disk"}
    assert command("verify", "--device", "coral", "--bundle", exported / "bundle").returncode == 3


def test_a_slow_bus_is_told(tmp_path: Path) -> None:
    from fer_edge.devices.profile import find_profile
    from fer_edge.runtime.inference.open_device import connected

    folder = tmp_path / "sys/bus/usb/devices/2-1"
    folder.mkdir(parents=True)
    for name, text in (("idVendor", "18d1"), ("idProduct", "9302"), ("speed", "5000")):
        (folder / name).write_text(text + "\n")
    coral = find_profile("coral", tmp_path)
    assert connected(coral, tmp_path) == "USB 18d1:9302 at 5000 Mbit/s"
    (folder / "speed").write_text("480\n")
    assert connected(coral, tmp_path).startswith("USB 18d1:9302 at 480 Mbit/s; USB 2: what does not fit")
    assert connected(find_profile("cpu", tmp_path), tmp_path) == ""


def test_golden_crops_are_the_same_everywhere() -> None:
    import hashlib

    from fer_edge.runtime.inference.acceptance import golden_crops

    crops = golden_crops(112)
    assert crops.shape == (32, 112, 112, 3)
    assert 40 < crops.std() < 80
    assert len({hashlib.sha256(c.tobytes()).hexdigest() for c in crops}) == 32


def test_a_fault_under_load_is_counted_and_a_wrong_answer_fails(
    vendor: str, exported: Path, tmp_path: Path, command: Command
) -> None:
    """A backend that answers the same for every picture works, and does not pass."""
    profile(tmp_path / "v.toml", "v", "vendor", "none")
    words = ("verify", "--device", "v.toml", "--bundle", exported / "bundle", "--seconds", 0.2)
    done = command(*words, PYTHONPATH=vendor)
    assert done.returncode == 1
    assert "failed; please send us verify-v.json" in done.stdout
