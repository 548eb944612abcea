"""Attention in a ResNet's blocks: trained, packed and run as any other, taken up again, and refused where it is not."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from fer_edge.bundle import open_bundle
from fer_edge.errors import UsageError
from fer_edge.export.consumers import opset_of
from fer_edge.runtime.inference.classifier import Classifier
from fer_edge.train.network import build_network, open_checkpoint
from fer_edge.train.recipe import load_recipe
from support.labelled import class_folders

torch = pytest.importorskip("torch", reason="needs the train extra")
pytestmark = pytest.mark.train
Command = Callable[..., subprocess.CompletedProcess[str]]
SMALL = replace(load_recipe("published"), size=32, dropout=0.0)


def weights_of(network: Any) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("kind", ["se", "cbam"])
def test_it_is_trained_packed_run_and_taken_up_again(kind: str, command: Command, tmp_path: Path) -> None:
    class_folders(tmp_path / "d", each=6, suffixes=[".png"], blur=2)
    lines = ["size = 32", "batch = 8", "epochs = 1", "stages = [16, 16, 32, 32]", f'attention = "{kind}"']
    (tmp_path / "r.toml").write_text("\n".join(lines) + "\n")
    done = command("train", "--data", "d", "--recipe", "r.toml", "--out", "b", timeout=900)
    assert done.returncode == 0, done.stderr
    bundle = open_bundle(tmp_path / "b")
    assert {a.precision for a in bundle.manifest.artifacts} == {"float16", "int8"}
    assert bundle.manifest.provenance["recipe"]["attention"] == kind
    graph = onnx.load(tmp_path / "b" / "model.onnx")
    assert opset_of(graph) == 13
    assert sum(node.op_type == "Sigmoid" for node in graph.graph.node) == {"se": 8, "cbam": 16}[kind]
    crops = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    network, recipe = open_checkpoint(tmp_path / "b.work" / "best.pt")
    with torch.no_grad():
        wanted = network(torch.from_numpy(crops)).numpy()
    assert np.abs(Classifier(bundle, bundle.reference).logits(crops) - wanted).max() < 0.02
    again = build_network(recipe, str(tmp_path / "b.work" / "best.pt")).eval()
    with torch.no_grad():
        assert np.array_equal(again(torch.from_numpy(crops)).numpy(), wanted)
    done = command("train", "--data", "d", "--recipe", "r.toml", "--init", "b", "--out", "c", timeout=900)
    assert done.returncode == 0, done.stderr  # a bundle is only taken up where the network answers as it does
    measured = command("evaluate", "--data", "d", "--bundle", "b", "--out", "e", "--json", timeout=900)
    assert measured.returncode == 0, measured.stderr
    assert 0 <= json.loads((tmp_path / "e" / "metrics.json").read_text())["accuracy"] <= 1


def test_it_adds_a_few_weights() -> None:
    plain, se, cbam = (weights_of(build_network(replace(SMALL, attention=kind))) for kind in ("none", "se", "cbam"))
    assert plain < se < plain * 1.02
    assert plain < cbam < plain * 1.02
    assert build_network(replace(SMALL, attention="se", backbone="resnet50")).body.layer4[2].se is not None


def test_a_backbones_weights_leave_it_at_its_first_values(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    plain = build_network(SMALL)
    save_file(plain.body.state_dict(), tmp_path / "backbone.safetensors")
    network = build_network(replace(SMALL, attention="se"), str(tmp_path / "backbone.safetensors"))
    assert torch.equal(network.body.layer3[1].conv2.weight, plain.body.layer3[1].conv2.weight)
    state = {k: v for k, v in network.body.state_dict().items() if k != "layer1.0.se.fc1.bias"}
    save_file(state, tmp_path / "damaged.safetensors")
    with pytest.raises(UsageError, match=r"1 weight missing, 0 unknown.*layer1\.0\.se\.fc1\.bias"):
        build_network(replace(SMALL, attention="se"), str(tmp_path / "damaged.safetensors"))


@pytest.mark.parametrize(
    "backbone", ["mobilenetv3_small_100", "vit_tiny_patch16_224", "res2net50_26w_8s", "skresnet18"]
)
def test_other_backbones_refuse_it(backbone: str) -> None:
    """timm puts our setting in the place of those that a selective kernel or a Res2Net has in the same argument."""
    with pytest.raises(UsageError, match="takes no attention: only ResNets of plain blocks do"):
        build_network(replace(SMALL, size=64, backbone=backbone, attention="se"))


def test_a_checkpoint_of_another_attention_is_refused(tmp_path: Path) -> None:
    from dataclasses import asdict

    wide = replace(SMALL, attention="se")
    saved = {"network": build_network(wide).state_dict(), "recipe": asdict(wide)}
    torch.save(saved, tmp_path / "se.pt")
    with pytest.raises(UsageError, match=r"has attention 'se', the recipe 'none'"):
        build_network(SMALL, str(tmp_path / "se.pt"))
    with pytest.raises(UsageError, match="attention is not narrowed"):
        build_network(replace(wide, stages=(32, 64, 128, 128)), str(tmp_path / "se.pt"))
