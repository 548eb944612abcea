"""TensorRT: an ONNX graph with a float32 input and a recipe, from which each device builds an engine of its own.

An engine fits one GPU and one TensorRT version only, so none is made here; `fer-edge build-engine` makes it.
"""

from __future__ import annotations

import json
from typing import Any

from ..consumers import limits
from ..graph import INPUT, with_float_input
from ..job import Built, Job, entry

EXTRA = ("export", "onnx")
PRECISIONS = ("float16", "float32")
USUAL = ("float16",)
WORKSPACE_MIB = 256
"""Scratch memory the builder may use; enough for a ResNet-50, and leaves room on a Nano with 4 GB for all."""


def build(job: Job, precision: str, chip: str) -> Built:
    """Write tensorrt/model_<precision>.onnx and the recipe beside it."""
    model = with_float_input(job.graph)
    limited = limits(model, "tensorrt")
    path, recipe_path = f"tensorrt/model_{precision}.onnx", f"tensorrt/build_{precision}.json"
    job.file(path).write_bytes(model.SerializeToString())
    recipe: dict[str, Any] = {
        "onnx": path,
        "precision": precision,
        "input": {"name": INPUT, "shape": [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]},
        "output": {"name": model.graph.output[0].name},
        "workspace_mib": WORKSPACE_MIB,
    }
    job.file(recipe_path).write_text(json.dumps(recipe, indent=1) + "\n", encoding="utf-8")
    report, beside = {"engine": "to be built on the device", "recipe": recipe, **limited}, (recipe_path,)
    artifact = entry(job, path, "tensorrt", precision, "float32", {}, ("onnx",), report, beside)
    return Built(artifact, notes=("the engine is built on the device: fer-edge build-engine BUNDLE",))
