"""The wheel of ready-made artifacts: built by the real exporter, added the user's way, found by name afterwards."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from fer_edge.bundle import default_bundle, find_bundle, open_bundle
from fer_edge.bundle import ready_made as packed
from fer_edge.cli.main import main
from fer_edge.errors import InputError
from fer_edge.export.targets.ready_made import build_wheel
from support.made_once import made_once

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def built() -> Path:
    """A folder with a wheel of one target, and its table."""

    def make(folder: Path) -> None:
        build_wheel(folder, folder / "table.csv", ("tensorrt",), ("edgetpu",), lambda line: None)

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
    assert bundle.artifact("tensorrt", "float16").parity["label_agreement"] == 1
    assert bundle.artifact("edgetpu", "int8").metrics  # what ships with it stays
    assert bundle.words == "edgetpu"  # and so do the commands that name it
    assert open_bundle("default").folder == default_bundle()
    assert main(["export", "edgetpu", "--target", "tensorrt"]) == 2  # it is ours, and stays as it is


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


def test_the_committed_table_is_of_both_models() -> None:
    rows = packed.read_table(packed.TABLE)
    assert {row.bundle for row in rows} == {"default", "edgetpu"}
    paths = {row.path for row in rows if row.bundle == "default"}
    assert {
        "bundle.json",
        "openvino/model_int8.bin",
        "rknn/model_int8_rk3566.rknn",
        "rknn/model_int8_rk3588.rknn",
    } <= paths
    assert {path.split("/")[0] for path in paths} >= {"openvino", "edgetpu", "rknn", "ethos-u", "tensorrt"}
