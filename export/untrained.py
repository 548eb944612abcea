"""Bundles of other backbones, for measuring how fast a device runs them: random weights, or a backbone's own."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle import LABELS, Artifact, Bundle, Image, InputSpec, Manifest, describe_file, save_bundle
from .consumers import limits
from .graph import load_float32
from .job import version_of
from .onnx import export_network

LICENCE = "random weights: for measuring speed, not for reading faces"


def pack_untrained(
    network: Any, out: Path, backbone: str, size: int, init: str, settled_on: Mapping[str, Any]
) -> Bundle:
    """Write a bundle with the float32 graph of a network, and nothing measured.

    Args:
        network: torch module, uint8 (N, S, S, 3) RGB -> logits.
        init: where its weights came from.
        settled_on: the pictures that `settle` saw, for the manifest; empty for a trained checkpoint.

    Raises:
        UnsupportedGraph: an opset that nothing here exports; OutputError, MissingExtra: as the steps do.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export_network(network, size, path)
        report = limits(load_float32(path), "onnx")
        digest, length = describe_file(path)
        tools = {tool: version_of(tool) for tool in ("torch", "timm", "onnx")}
        artifact = Artifact("model.onnx", "onnx", "float32", digest, length, "uint8", built_with=tools, report=report)
        spec = InputSpec(size=size, normalise="ImageNet mean and deviation")
        known = "random" if settled_on else "given"
        provenance = {"weights": known, "backbone": backbone, "init": init, "settled_on": dict(settled_on)}
        manifest = Manifest(backbone, "1", LABELS, spec, (artifact,), {}, provenance, LICENCE if settled_on else "")
        return save_bundle(out, manifest, {"model.onnx": path})


def _norms(network: Any) -> list[Any]:
    import torch

    return [m for m in network.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]


def settle(network: Any, pictures: Sequence[Image], batch: int = 32) -> None:
    """Fit the batch norms of a random network to real faces, so that its numbers are of the size a trained one has."""
    for norm in _norms(network):
        norm.weight.data.clamp_(min=1.0)  # timm starts the last one of a block at 0, which would switch the block off
    fit_norms(network, pictures, batch)


def fit_norms(network: Any, pictures: Sequence[Image] | NDArray[np.uint8], batch: int = 32) -> None:
    """Fit the batch norms to these pictures, uint8 (S, S, 3) RGB, at the weights as they are."""
    import torch

    for norm in _norms(network):
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over the batches
    network.train()
    with torch.inference_mode():
        for i in range(0, len(pictures), batch):
            network(torch.from_numpy(np.asarray(pictures[i : i + batch])))
    network.eval()
