"""Case 03: a bundle is scored by its own labels, whatever their order, case and number."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fer_edge.benchmarks.measure import model_row
from fer_edge.cli.main import main
from fer_edge.export import run

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize(("name", "recall"), [("bundle", {"happy": 0.0, "sad": 1.0}), ("bundle8", {"sad": 1.0})])
def test_recall_by_the_bundles_own_labels(
    name: str, recall: dict[str, float], shared_case: Callable[[int], Path], command: Command
) -> None:
    case = shared_case(3)
    done = command("evaluate", "--data", case / "faces", "--split", "test", "--bundle", case / name, "--json")
    figures = json.loads(done.stdout)
    assert {label: figures["per_label"][label]["recall"] for label in recall} == recall
    assert ("without the model's contempt" in done.stderr) == (name == "bundle8")


def test_a_bundle_with_other_labels_is_refused(shared_case: Callable[[int], Path], command: Command) -> None:
    case = shared_case(3)
    done = command("evaluate", "--data", case / "faces", "--split", "test", "--bundle", case / "bundle3")
    assert done.returncode == 2
    assert "a model of the labels negative, neutral, positive cannot be measured on faces" in done.stderr


def test_a_benchmark_and_an_export_refuse_it_before_they_begin(
    shared_case: Callable[[int], Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not after the minutes that they take."""
    case = shared_case(3)
    monkeypatch.setattr(model_row, "timed", lambda *a: pytest.fail("it was timed"))
    monkeypatch.setattr(run, "add_targets", lambda *a, **b: pytest.fail("it was exported"))
    for words in (["benchmark", "--model", case / "bundle3"], ["export", case / "bundle3", "--target", "onnx"]):
        assert main([*map(str, words), "--labelled", str(case / "faces")]) == 2
        assert "cannot be measured on faces" in capsys.readouterr().err


def test_the_permuted_default_model_is_as_good_as_before(
    shared_case: Callable[[int], Path], calibration: Path, command: Command, tmp_path: Path
) -> None:
    permute = shared_case(3) / "permute_default.py"
    subprocess.run([sys.executable, permute, tmp_path / "permuted"], check=True)
    words = ["evaluate", "--data", calibration, "--precision", "float16", "--json", "--bundle"]
    before, after = (json.loads(command(*words, b).stdout) for b in ("default", tmp_path / "permuted"))
    assert after["accuracy"] == before["accuracy"] > 0.8
    assert after["per_label"] == {name: before["per_label"][name] for name in after["per_label"]}
