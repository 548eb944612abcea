"""ONNX for ONNX Runtime: float32, float16-stored, or int8 with quantise and dequantise nodes."""

from __future__ import annotations

import shutil
from typing import Any

from ..consumers import limits
from ..job import Built, Job, entry
from ..onnx import store_float16
from ..quantize import quantised, quantize_int8

EXTRA = ("export", "onnx", "onnxruntime")
PRECISIONS = ("float16", "float32", "int8")
USUAL = ("float16", "int8")


def build(job: Job, precision: str, chip: str) -> Built:
    """Write the graph, and who cannot read it; the bundle's own is kept as it is."""
    report = limits(job.graph, "onnx")
    own = job.bundle.reference
    if precision == "int8" and job.ranges is not None:
        own = quantised(job.bundle) or own
    if own.precision == precision:
        shutil.copyfile(job.bundle.path(own), job.file(own.path))
        return Built(own)
    path = f"onnx/model_{precision}.onnx"
    source, target = job.file("onnx/source.onnx"), job.file(path)
    source.write_bytes(job.graph.SerializeToString())
    settings: dict[str, Any] = {}
    if precision == "float32":
        source.replace(target)
    elif precision == "float16":
        store_float16(source, target)
    else:
        settings = quantize_int8(source, target, job.pictures)
    source.unlink(missing_ok=True)
    return Built(entry(job, path, "onnx", precision, "uint8", settings, ("onnx", "onnxruntime"), report))
