"""What could not be packed is refused before the first epoch, and newer layers bind the older devices alone."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
from fer_edge.bundle import open_bundle
from fer_edge.devices.profile import find_profile
from fer_edge.errors import BundleError, OutputError, UnsupportedGraph, UsageError
from fer_edge.export.consumers import opset_of
from fer_edge.runtime.inference.open_device import artifact_for
from fer_edge.train import run as training
from fer_edge.train.network import build_network
from fer_edge.train.options import TrainOptions
from fer_edge.train.pack import check_exportable
from fer_edge.train.recipe import load_recipe
from fer_edge.train.torch_import import import_torch
from support.labelled import class_folders

Command = Callable[..., subprocess.CompletedProcess[str]]
TINY = load_recipe("tiny")
pytestmark = pytest.mark.train


@pytest.fixture(autouse=True)
def torch() -> Any:
    return pytest.importorskip("torch", reason="needs the train extra")


def recipe_file(folder: Path, backbone: str, **more: Any) -> Path:
    keys = {"size": 32, "batch": 8, "epochs": 1, **more}
    lines = [f'backbone = "{backbone}"', *(f"{key} = {value}" for key, value in keys.items())]
    (folder / "r.toml").write_text("\n".join(lines) + "\n")
    return folder / "r.toml"


def test_a_transformer_is_trained_packed_and_run_by_all_but_the_oldest_devices(
    command: Command, tmp_path: Path
) -> None:
    """MobileViT trained to its end and then died at the export, and the run was lost."""
    class_folders(tmp_path / "d", each=6, suffixes=[".png"], blur=2)
    recipe = recipe_file(tmp_path, "mobilevit_xxs", size=64)
    done = command("train", "--data", "d", "--recipe", recipe, "--out", "b", timeout=400)
    assert done.returncode == 0, done.stderr
    assert "Torch IR graph" not in done.stdout + done.stderr
    lines = done.stdout.splitlines()
    told = next(i for i, line in enumerate(lines) if "the bundle will not run on ncs2: OpenVINO 2021.4" in line)
    assert told < next(i for i, line in enumerate(lines) if line.startswith("epoch 1: loss"))
    bundle = open_bundle(tmp_path / "b")
    assert {a.precision for a in bundle.manifest.artifacts} == {"float16", "int8"}
    assert opset_of(onnx.load(tmp_path / "b" / "model.onnx")) == 17
    assert bundle.manifest.provenance["minutes"] > 0
    assert bundle.manifest.provenance["hardware"]["cores"] > 0
    assert bundle.manifest.provenance["versions"]["onnx"] == onnx.__version__
    assert "minutes of wall clock on" in (tmp_path / "b" / "MODEL_CARD.md").read_text()
    assert artifact_for(find_profile("cpu"), bundle).path
    with pytest.raises(BundleError, match=r"cannot run on ncs2: OpenVINO 2021.4"):
        artifact_for(find_profile("ncs2"), bundle)


def test_what_cannot_be_exported_is_refused_before_the_first_epoch(
    torch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Odd(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return torch.special.bessel_j0(x)

    def with_an_odd_layer(recipe: Any, *given: Any, **more: Any) -> Any:
        network = build_network(recipe, *given, **more)
        network.body.act1 = Odd()
        return network

    monkeypatch.setattr("fer_edge.train.pack.build_network", with_an_odd_layer)
    class_folders(tmp_path / "d", each=5)
    options = TrainOptions(tmp_path / "d", tmp_path / "b", "tiny")
    with pytest.raises(UnsupportedGraph, match=r"cannot be written as ONNX: .*bessel_j0"):
        training.train(options)
    assert not (tmp_path / "b.work").exists()


def test_a_finished_run_is_kept_when_its_packing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class_folders(tmp_path / "d", each=6, suffixes=[".png"], blur=2)
    recipe = recipe_file(tmp_path, "mobilenetv3_small_100")
    options = TrainOptions(tmp_path / "d", tmp_path / "b", str(recipe))
    said: list[str] = []

    def full(*given: Any) -> Any:
        raise OutputError("no room is left")

    with monkeypatch.context() as patch:
        patch.setattr(training, "pack", full)
        with pytest.raises(OutputError):
            training.train(options, said.append)
    assert said[-1].startswith(
        f"the training is done and kept in {tmp_path / 'b.work'}; the same command with --resume"
    )
    shutil.copy(tmp_path / "b.work" / "history.json", tmp_path / "before.json")
    trained = training.train(replace(options, resume=True), said.append)
    assert trained is not None
    assert (tmp_path / "b.work" / "history.json").read_text() == (tmp_path / "before.json").read_text()
    assert trained.bundle.manifest.provenance["epochs_run"] == 1


def test_networks_of_one_size_are_built_for_the_recipes(torch: Any) -> None:
    vit = replace(TINY, backbone="vit_tiny_patch16_224", size=64)
    with torch.no_grad():
        assert build_network(vit).eval()(torch.zeros((1, 64, 64, 3), dtype=torch.uint8)).shape == (1, 7)
    with pytest.raises(UsageError, match="takes pictures of one size"):
        build_network(replace(vit, warm_size=32, warm_epochs=1))
    assert check_exportable(replace(vit, color="luma"))["ncs2"].startswith("OpenVINO 2021.4")


def test_what_everybody_reads_stays_opset_13() -> None:
    import_torch()
    assert check_exportable(replace(TINY, size=32)) == {}
