"""The wheel of ready-made artifacts: built by the real exporter, added the user's way, found by name afterwards."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from fer_edge.bundle import default_bundle, find_bundle, open_bundle
from fer_edge.bundle.opening import ready_made as packed
from fer_edge.bundle.portraits import portraits
from fer_edge.cli.main import main
from fer_edge.devices.profile import find_profile
from fer_edge.errors import InputError
from fer_edge.export.calibration import digest_of
from fer_edge.export.job import Job
from fer_edge.export.targets import rknn
from fer_edge.export.targets.ready_made import build_wheel
from fer_edge.runtime.inference.classifier import accurate_enough, choose_artifact
from fer_edge.runtime.inference.open_device import bundle_for
from support.made_once import made_once

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def built() -> Path:
    """A folder with a wheel of one target, and its table."""
    pytest.importorskip("openvino", reason="needs the openvino extra")

    def make(folder: Path) -> None:
        build_wheel(folder, folder / "table.csv", ("openvino",), ("edgetpu",), lambda line: None)

    return made_once("ready-made", [ROOT / "bundle", ROOT / "export"], make)


@pytest.fixture
def wheel(built: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The wheel, of which the release knows the hashes."""
    monkeypatch.setattr(packed, "TABLE", built / "table.csv")
    return next(built.glob("*.whl"))


def test_what_was_added_serves_by_the_bundles_name(wheel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert find_bundle("edgetpu") == default_bundle("edgetpu")
    for _ in range(2):  # a second time is no harm
        assert main(["models", "add", str(wheel), "--json"]) == 0
        (told,) = json.loads(capsys.readouterr().out)
    bundle = open_bundle("edgetpu")
    assert str(bundle.folder) == told["path"] != str(default_bundle("edgetpu"))
    assert bundle.artifact("openvino", "float16").parity["label_agreement"] == 1
    assert bundle.artifact("onnx", "int8").metrics  # what ships with it stays
    assert bundle.words == "edgetpu"  # and so do the commands that name it
    assert bundle_for(find_profile("coral")).folder == bundle.folder  # run, benchmark and flash ask this
    shipped = open_bundle(default_bundle("edgetpu"))
    assert choose_artifact(bundle) == choose_artifact(shipped)  # measured ones are not replaced
    assert not accurate_enough(bundle, bundle.artifact("openvino", "int8"))  # nor does `tune` take it: unmeasured
    assert open_bundle("default").folder == default_bundle()
    assert main(["export", "edgetpu", "--target", "openvino"]) == 2  # it is ours, and stays as it is


def test_run_takes_what_was_added(wheel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = {"name": "mine", "title": "M", "backend": "openvino", "target": "openvino"}
    keys |= {"precision": "float16", "isolation": "process"}
    (tmp_path / "mine.toml").write_text("".join(f'{k} = "{v}"\n' for k, v in keys.items()))
    words = ["run", "demo:0.5", "--bundle", "edgetpu", "--device", str(tmp_path / "mine.toml"), "--json"]
    assert main(words) == 2  # nothing for it ships
    assert "has no artifact for mine" in json.loads(capsys.readouterr().out)["error"]
    assert main(["models", "add", str(wheel)]) == 0
    place = open_bundle("edgetpu").folder
    (place / "bundle.json").write_text("{")
    capsys.readouterr()
    assert main(words) == 2
    assert json.loads(capsys.readouterr().out)["hint"].startswith(f"rm -r {place}")
    assert main(["models", "add", str(wheel)]) == 0  # it mends what was damaged
    capsys.readouterr()
    assert main(words) == 0
    said = json.loads(capsys.readouterr().out)["device"]
    assert (said["backend"], said["artifact"]) == ("openvino", "openvino/model_float16.xml")


def test_what_this_release_was_not_tested_with_is_refused(wheel: Path, tmp_path: Path) -> None:
    other = tmp_path / wheel.name
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(other, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name) + (b" " if name.endswith("edgetpu/bundle.json") else b""))
    with pytest.raises(InputError, match=r"edgetpu/bundle\.json has other bytes"):
        packed.add_wheel(other)
    with zipfile.ZipFile(other, "w") as target:
        target.writestr("x", "")
    with pytest.raises(InputError, match="it lacks what this release was tested with"):
        packed.add_wheel(other)
    other.write_bytes(b"PK")
    with pytest.raises(InputError, match="it cannot be read"):
        packed.add_wheel(other)
    assert find_bundle("edgetpu") == default_bundle("edgetpu")


def test_artifacts_of_other_weights_are_refused(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "default_bundle", lambda name: default_bundle("default"))
    with pytest.raises(InputError, match="other weights than the model that ships"):
        packed.add_wheel(wheel)


def test_the_committed_table_is_of_all_three_models() -> None:
    rows = packed.read_table(packed.TABLE)
    assert {row.bundle for row in rows} == {"default", "edgetpu", "pico"}
    paths = {row.path for row in rows if row.bundle == "default"}
    assert {
        "bundle.json",
        "openvino/model_int8.bin",
        "rknn/model_int8_rk3566.rknn",
        "rknn/model_int8_rk3588.rknn",
    } <= paths
    assert {path.split("/")[0] for path in paths} >= {"openvino", "edgetpu", "rknn", "ethos-u", "tensorrt"}


def test_rockchips_entry_names_the_pictures_that_calibrated_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tool takes no ranges, so it takes the portraits where other targets take the bundle's own ranges."""

    class Simulator:
        version = "0"

        def __init__(self, job: Job, python: Path, target: Path, chip: str) -> None:
            target.write_bytes(b"RKNN")

    monkeypatch.setattr(rknn, "Simulator", Simulator)
    pictures, own = portraits(112), {"source": "onnx/model_int8.onnx", "digest": "0"}
    job = Job(open_bundle(default_bundle()), tmp_path, tmp_path, pictures, own, {"pictures": (0.0, 1.0)})
    told = rknn.build(job, "int8", "rk3566").artifact.calibration
    assert told["source"] == "portraits that come with fer-edge"
    assert (told["digest"], told["pictures"]) == (digest_of(pictures), 32)
