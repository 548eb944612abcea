"""A shipped bundle as first weights: the same answers at the start, and batch norms that can learn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fer_edge.bundle import open_bundle
from fer_edge.bundle.dataset import Dataset
from fer_edge.errors import UsageError
from fer_edge.runtime.inference.classifier import Classifier
from fer_edge.train.first_weights.unfold import bundle_named, take_up, unfold
from fer_edge.train.first_weights.way_back import go_back
from fer_edge.train.fit import fit
from fer_edge.train.learner import Learner
from fer_edge.train.network import build_network
from fer_edge.train.recipe import load_recipe, parse_recipe

torch = pytest.importorskip("torch", reason="needs the train extra")
pytestmark = pytest.mark.train
DEFAULT = load_recipe("default")


def crops(count: int = 48) -> np.ndarray:
    """Soft blobs, which fill a network's range better than noise does."""
    coarse = np.random.default_rng(0).integers(0, 256, (count, 7, 7, 3), dtype=np.uint8)
    return np.ascontiguousarray(coarse.repeat(16, axis=1).repeat(16, axis=2))


@pytest.mark.parametrize("color", ["luma", "rgb"])
def test_it_answers_as_the_bundle_does(color: str) -> None:
    bundle, faces = open_bundle("default"), crops()
    if color == "luma":
        network = build_network(DEFAULT)
    else:  # the exported graph takes colours, whose first layer weighs them
        network = build_network(replace(DEFAULT, color="rgb"))
        network.mean.fill_(0.449 * 255)
        network.std.fill_(0.226 * 255)
    unfold(network, bundle, faces)
    with torch.no_grad():
        said = network(torch.from_numpy(faces)).numpy()
    wanted = Classifier(bundle, bundle.reference).logits(faces)
    assert np.abs(said - wanted).max() < 0.02


def test_in_training_it_is_nearly_the_same_network() -> None:
    """Batch norms hold what really flows: at 0 and 1, statistics of the batch would make another network of it."""
    network, faces = build_network(replace(DEFAULT, dropout=0.0)), crops()
    unfold(network, open_bundle("default"), faces)
    with torch.no_grad():
        still = network(torch.from_numpy(faces))
        learning = network.train()(torch.from_numpy(faces))
    assert torch.nn.functional.cosine_similarity(still.flatten(), learning.flatten(), dim=0) > 0.95
    assert network.body.layer1[0].bn1.running_var.min() >= 0
    assert network.body.layer1[0].bn1.running_mean.abs().max() > 0


@pytest.mark.parametrize(
    "changes", [{"backbone": "resnet34"}, {"backbone": "mobilenetv2_100"}, {"stages": (64, 128, 256, 256)}]
)
def test_another_network_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="--init default does not fit the recipe's network"):
        unfold(build_network(replace(DEFAULT, **changes)), open_bundle("default"), crops())


def test_a_narrower_network_inherits_from_a_bundle() -> None:
    """By the command's own way, whose pictures are smaller than the bundle's: the student is the parent's child."""
    sizes: list[int] = []

    def faces(size: int) -> np.ndarray:
        sizes.append(size)
        return crops()

    recipe = replace(load_recipe("pico"), stages=(64, 128, 256, 160), distill=0.0, hold_out=0.0)
    learner = Learner(recipe, np.full(7, 1 / 7), 10, "default", faces=faces)
    parent = build_network(DEFAULT)
    unfold(parent, open_bundle("default"), crops())
    own, theirs = learner.plain.body.state_dict(), parent.body.state_dict()
    assert sizes == [112]
    assert all(torch.equal(own[name], theirs[name]) for name in own if name.startswith(("conv1", "layer1", "layer3")))
    assert own["fc.weight"].shape == (7, 160)


def test_a_narrow_bundle_goes_on_as_it_is() -> None:
    student = load_recipe("edgetpu")
    network, bundle, faces = build_network(student), open_bundle("edgetpu"), crops()
    take_up(network, student, bundle, faces)
    with torch.no_grad():
        said = network(torch.from_numpy(faces)).numpy()
    assert np.abs(said - Classifier(bundle, bundle.reference).logits(faces)).max() < 0.02


def test_what_init_names() -> None:
    assert bundle_named(None) is bundle_named("timm") is bundle_named("best.pt") is bundle_named(".") is None
    found = bundle_named("default")
    assert found is not None
    assert found.manifest.name == "default"


def test_a_part_of_the_way_back() -> None:
    """A quarter of each weight's way, and batch norms of the faces: neither the end's nor the beginning's."""
    network, faces = build_network(replace(DEFAULT, dropout=0.0)), crops()
    unfold(network, open_bundle("default"), faces)
    first = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        for value in network.parameters():
            value.mul_(1.5)
    go_back(network, first, 0.25, faces)
    now = network.state_dict()
    assert torch.allclose(now["body.fc.weight"], 1.375 * first["body.fc.weight"])
    assert torch.allclose(now["body.layer4.1.conv2.weight"], 1.375 * first["body.layer4.1.conv2.weight"])
    assert torch.allclose(now["body.bn1.running_mean"], 1.375 * first["body.bn1.running_mean"], rtol=0.02, atol=0.02)
    assert not network.training


def test_the_way_back_leads_to_a_finished_model() -> None:
    with pytest.raises(UsageError, match="its first weights, which know no expressions"):
        fit(replace(DEFAULT, first_share=0.25), Dataset((), (), ""), Path(), init="backbone.safetensors")
    with pytest.raises(UsageError, match="first_share is 0 or more, and less than 1"):
        parse_recipe("r", {"first_share": 1.0}, "r.toml")
