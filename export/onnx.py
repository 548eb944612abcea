"""The canonical graph: ONNX, opset 13 or where it must be 17, static batch 1, uint8 NHWC in, logits out."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle.extras import load
from ..errors import UnsupportedGraph

OPSET = 13
"""The newest that TensorRT 8.x and OpenVINO 2021.4 both read."""
NEWER = 17
"""For what 13 cannot say, such as fused attention: whoever is still looked after reads it; see consumers.py."""
SMALL = 1024
"""Tensors with fewer elements stay float32: they take no room, and biases gain precision."""


def import_onnx() -> Any:
    """The onnx package; raises MissingExtra."""
    return load("onnx", "export")


def export_network(network: Any, size: int, path: Path) -> None:
    """Write a torch module (uint8 (1, S, S, 3) -> logits) as a float32 ONNX file, batch norms folded.

    Raises:
        MissingExtra: torch or onnx is absent; UnsupportedGraph: it has a layer that ONNX cannot say.
    """
    onnx, torch = import_onnx(), load("torch", "train")
    example = torch.zeros((1, size, size, 3), dtype=torch.uint8)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the old exporter is deprecated; the new one writes opset 18 and later
        raw = os.path.join(folder, "raw.onnx")
        _trace(torch, network.eval(), example, raw)
        model = folded(raw)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))


def _trace(torch: Any, network: Any, example: Any, path: str) -> None:
    """Write the traced module in the oldest opset that has its layers; raises UnsupportedGraph."""
    names = {"input_names": ["pictures"], "output_names": ["logits"]}
    torch._C._jit_set_onnx_log_output_stream("stderr")
    for opset in (OPSET, NEWER):
        call = partial(torch.onnx.export, network, (example,), path, dynamo=False, opset_version=opset, **names)
        try:
            with tempfile.TemporaryFile() as log:  # a refusal prints the whole graph, whatever one sets
                aside(call, log)
            return
        except torch.onnx.errors.OnnxExporterError as error:
            refused = str(error).splitlines()[0]
    raise UnsupportedGraph(
        f"the network cannot be written as ONNX: {refused}",
        cause="the backbone has a layer that opset 13 and 17 do not know",
        hint="the same command with a recipe of another backbone, such as resnet18",
    )


def aside(work: Callable[[], Any], log: Any) -> Any:
    """Call `work` with standard error, the file descriptor, turned into `log`."""
    kept = os.dup(2)
    os.dup2(log.fileno(), 2)
    try:
        return work()
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def folded(path: str) -> Any:
    """The model with everything that is constant computed, by ONNX Runtime; standard operators only.

    Backbones with TensorFlow's padding are traced with shape arithmetic that no device's parser likes.
    """
    onnx = import_onnx()
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = f"{path}.folded"
    options.log_severity_level = 3
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    model = onnx.load(options.optimized_model_filepath)
    kept = [i for i in model.opset_import if i.domain == ""]  # it names every domain it knows
    del model.opset_import[:]
    model.opset_import.extend(kept)
    return model


def store_float16(source: Path, target: Path) -> None:
    """Copy a float32 graph with its large weights stored as float16 and cast back when loaded: half the file.

    The arithmetic stays float32 (ONNX Runtime folds the casts at load), so the only change is the rounding of weights.
    """
    onnx = import_onnx()
    model = onnx.load(str(source))
    casts = []
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < SMALL:
            continue
        name = tensor.name
        tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), name + "_f16"))
        casts.append(onnx.helper.make_node("Cast", [name + "_f16"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, str(target))
