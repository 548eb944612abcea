"""Taking up a shipped model: a bundle's graph, whose batch norms were folded away, made a network that can learn on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bundle import Bundle, find_bundle, open_bundle
from ...bundle.manifest import MANIFEST
from ...bundle.scoring import in_our_order
from ...errors import UsageError
from ...export.graph import load_float32
from ...runtime.inference.classifier import Classifier
from ..network import build_network
from ..recipe import Recipe
from ..torch_import import import_torch
from .inherit import inherit

TOLERANCE = 0.05
"""By how much logits may differ from the bundle's own, whose weights are rounded to float16."""
Layers = list[tuple[Any, Any]]
"""Convolutions and classifier in the order in which they run, each with the batch norm that follows it, or None."""
Weights = list[tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Their weight and bias in a bundle's graph."""


def bundle_named(init: str | None) -> Bundle | None:
    """The bundle that --init names, by name, folder or .zip; None where it names something else; raises BundleError."""
    if not init or init == "timm" or init.endswith((".pt", ".safetensors")):
        return None
    path = find_bundle(init)
    return open_bundle(path) if path.suffix == ".zip" or (path / MANIFEST).is_file() else None


def take_up(network: Any, recipe: Recipe, bundle: Bundle, crops: NDArray[np.uint8]) -> None:
    """Give a recipe's network a bundle's weights; one that is narrower inherits the channels that matter most.

    Args:
        network: uint8 (N, S, S, 3) RGB -> logits in the order of LABELS.
        crops: uint8 (N, S, S, 3) RGB of the bundle's size; see unfold.

    Raises:
        UsageError: the bundle is of another network.
    """
    if not recipe.stages or _alike(_layers(network.eval(), crops[:1]), _weights(bundle)):
        unfold(network, bundle, crops)
    else:
        parent = build_network(replace(recipe, stages=()))
        unfold(parent, bundle, crops)
        inherit(network.body, parent.body)


def unfold(network: Any, bundle: Bundle, crops: NDArray[np.uint8]) -> None:
    """Give a network a bundle's weights, so that it answers as the bundle does and its batch norms can learn.

    An exported convolution holds its batch norm: its weight times scale / deviation, its bias shift - mean x scale /
    deviation. Any split of the two is the same function; the one that keeps training steady has the mean and deviation
    of what really flows, the deviation as its scale and the exported bias + mean as its shift.

    Args:
        network: of the same layers, uint8 (N, S, S, 3) RGB -> logits in the order of LABELS.
        crops: uint8 (N, S, S, 3) RGB, some hundred faces from which mean and deviation are taken.

    Raises:
        UsageError: the bundle is of another network.
    """
    torch = import_torch()
    order = in_our_order(bundle.labels, f"--init {bundle.manifest.name}")
    network.eval()
    layers = _layers(network, crops[:1])
    weights = _weights(bundle)
    if not _alike(layers, weights):
        raise _foreign(
            bundle, f"its graph has {len(weights)} layers, the recipe's network {len(layers)}, of their own shapes"
        )
    weights[-1] = (weights[-1][0][order], weights[-1][1][order])
    with torch.no_grad():
        for (layer, norm), (weight, bias) in zip(layers, weights, strict=True):
            _fill(layer, norm, torch.from_numpy(weight), torch.from_numpy(bias))
        _settle(network, [norm for _, norm in layers if norm is not None], crops)
        said = network(torch.from_numpy(crops)).numpy()
    wanted = Classifier(bundle, bundle.reference).logits(crops)[:, order]
    if np.abs(said - wanted).max() > TOLERANCE * max(1.0, float(np.abs(wanted).max())):
        raise _foreign(bundle, "its layers have these shapes, but what flows before or between them differs")


def _layers(network: Any, crop: NDArray[np.uint8]) -> Layers:
    torch = import_torch()
    run: Layers = []

    def note(module: Any, given: Any, result: Any) -> None:
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            run[-1] = (run[-1][0], module)
        else:
            run.append((module, None))

    kinds = (torch.nn.Conv2d, torch.nn.Linear, torch.nn.modules.batchnorm._BatchNorm)
    hooks = [m.register_forward_hook(note) for m in network.modules() if isinstance(m, kinds)]
    with torch.no_grad():
        network(torch.from_numpy(crop))
    for hook in hooks:
        hook.remove()
    return run


def _weights(bundle: Bundle) -> Weights:
    """Weight and bias of each convolution and matrix product, in the order of the graph; raises UnsupportedGraph."""
    from onnx import numpy_helper

    graph = load_float32(bundle.path(bundle.reference)).graph
    held = {one.name: np.asarray(numpy_helper.to_array(one), np.float32) for one in graph.initializer}
    found = []
    for node in graph.node:
        if node.op_type in ("Conv", "Gemm"):
            weight = held[node.input[1]].copy()  # torch takes no read-only memory
            bias = held[node.input[2]].copy() if len(node.input) > 2 else np.zeros(len(weight), np.float32)
            found.append((weight, bias))
    return found


def _alike(layers: Layers, weights: Weights) -> bool:
    """Whether these weights are of these layers."""
    return len(layers) == len(weights) and all(_fits(o[0], w) for o, (w, _) in zip(layers, weights, strict=True))


def _fits(layer: Any, weight: NDArray[np.float32]) -> bool:
    """Same shape; a first layer for grey may meet one for colour."""
    own = tuple(layer.weight.shape)
    return own == weight.shape or (own[1] == 1 and weight.shape == (own[0], 3, *own[2:]))


def _fill(layer: Any, norm: Any, weight: Any, bias: Any) -> None:
    if layer.weight.shape != weight.shape:
        weight = weight.sum(dim=1, keepdim=True)  # grey is the sum of its weighed channels
    layer.weight.copy_(weight)
    if norm is None:
        if layer.bias is not None:  # those of CBAM have none
            layer.bias.copy_(bias)
        return
    norm.reset_running_stats()
    norm.weight.fill_((1 + norm.eps) ** 0.5)
    norm.bias.copy_(bias)


def _settle(network: Any, norms: list[Any], crops: NDArray[np.uint8]) -> None:
    """Split each batch norm by the mean and deviation of its input, leaving what the network answers."""
    torch = import_torch()
    seen: dict[Any, tuple[Any, Any]] = {}

    def note(norm: Any, given: Any, result: Any) -> None:
        flat = given[0].transpose(0, 1).flatten(1).double()
        seen[norm] = (flat.mean(dim=1).float(), flat.var(dim=1).float())

    hooks = [norm.register_forward_hook(note) for norm in norms]
    network(torch.from_numpy(crops))
    for hook in hooks:
        hook.remove()
    for norm, (mean, variance) in seen.items():
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.add_(mean)


def _foreign(bundle: Bundle, cause: str) -> UsageError:
    return UsageError(
        f"--init {bundle.manifest.name} does not fit the recipe's network",
        cause=cause,
        hint="a recipe of the same backbone, size and colour; or a .safetensors backbone",
    )
