"""Static int8 quantisation of the canonical graph for ONNX Runtime, and the ranges that it leaves in the graph.

A bundle carries the range of every activation in its int8 graph: nobody needs faces to quantise it for another device.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..bundle import Artifact, Bundle, Image
from .onnx import import_onnx

Ranges = Mapping[str, tuple[float, float]]
"""Tensor of the float graph -> least and greatest value."""
WRAPPED = "_QuantizeLinear_Input"
"""What ONNX Runtime adds to the name of the graph's output."""


def quantize_int8(source: Path, target: Path, pictures: Sequence[Image]) -> dict[str, Any]:
    """Write a QDQ graph: activations u8, weights s8 per channel in 7 bits.

    Seven bits (reduce_range) because u8 x s8 products saturate on processors without VNNI, and a bundle goes anywhere.

    Args:
        source: float32 ONNX file.
        target: where the int8 graph goes.
        pictures: uint8 (S, S, 3) RGB face crops.

    Returns:
        the settings, for the manifest.

    Raises:
        MissingExtra: onnx is absent.
    """
    import_onnx()
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    from onnxruntime import quantization as q

    class Reader(q.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left = iter(pictures)

        def get_next(self) -> dict[str, Any] | None:
            picture = next(self._left, None)
            return None if picture is None else {"pictures": picture[None]}

    noisy = logging.getLogger()
    level = noisy.level
    noisy.setLevel(logging.ERROR)  # it advises a pre-processing step that a folded graph does not need
    try:
        with tempfile.TemporaryDirectory() as folder:
            shaped = Path(folder) / "shaped.onnx"
            q.quant_pre_process(str(source), str(shaped), skip_symbolic_shape=True)
            kinds = {"activation_type": q.QuantType.QUInt8, "weight_type": q.QuantType.QInt8}
            form = {"quant_format": q.QuantFormat.QDQ, "per_channel": True, "reduce_range": True}
            q.quantize_static(str(shaped), str(target), Reader(), **kinds, **form)
    finally:
        noisy.setLevel(level)
    settings = {"activations": "uint8", "weights": "int8 per channel, 7 bits", "method": "min-max"}
    return {"pictures": len(pictures), **settings}


def quantised(bundle: Bundle) -> Artifact | None:
    """The bundle's graph with ranges in it, measured on the faces that it was trained with; None where it has none."""
    return next((a for a in bundle.manifest.artifacts if (a.target, a.precision) == ("onnx", "int8")), None)


def read_ranges(path: Path) -> Ranges:
    """What the quantising nodes of an int8 ONNX graph say of the tensors that they take, activations all uint8."""
    onnx = import_onnx()
    model = onnx.load(str(path))
    weights = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    found = {}
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear" and node.input[0] not in weights:
            scale, zero = float(weights[node.input[1]]), int(weights[node.input[2]])
            found[node.input[0].removesuffix(WRAPPED)] = (-zero * scale, (255 - zero) * scale)
    return found
