"""What a model asks of a device, counted from its ONNX graph: multiplications, weights, tensors."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from ...errors import UnsupportedGraph
from ...export.onnx import import_onnx

BYTES = {"int8": 1, "float16": 2, "float32": 4}
"""Bytes of one weight or one element of a tensor at a precision."""


@dataclass(frozen=True)
class Layer:
    """One convolution or matrix product.

    Attributes:
        macs: multiply-accumulate operations for one picture.
        depthwise: every channel has a filter of its own; such layers keep few of a device's multipliers busy.
        params: weights and biases.
        written: elements of its output.
    """

    name: str
    macs: int
    depthwise: bool
    params: int
    written: int


@dataclass(frozen=True)
class Workload:
    """A model at one input size, one picture at a time.

    Attributes:
        size: pixels of the input's side.
        dense, depthwise: multiply-accumulate operations of the two kinds of layers.
        params: weights and biases.
        activations: elements that convolutions and matrix products write.
        layers: how many of those there are. Not-a-number stands for a count that a table does not give.
        outputs: elements of the answer.
    """

    size: int
    dense: float
    depthwise: float
    params: float
    activations: float
    layers: float
    outputs: int = 1000

    @property
    def macs(self) -> float:
        """All multiply-accumulate operations."""
        return self.dense + self.depthwise

    def weight_bytes(self, precision: str) -> float:
        """Bytes of the weights, all of them at one precision (a key of BYTES)."""
        return self.params * BYTES[precision]

    def activation_bytes(self, precision: str) -> float:
        """Bytes that the layers write, all of them at one precision (a key of BYTES)."""
        return self.activations * BYTES[precision]

    @property
    def transfer_bytes(self) -> float:
        """Bytes to the device and back: three of uint8 a pixel, four of float32 a logit."""
        return 3.0 * self.size**2 + 4.0 * self.outputs


def count_file(path: Path, size: int | None = None) -> Workload:
    """Count the graph in a file; `size` stands in for the input's own side, in pixels.

    Raises:
        MissingExtra: onnx is not installed.
        UnsupportedGraph: no ONNX graph, or one with a tensor whose shape cannot be told.
    """
    onnx = import_onnx()
    try:
        model = onnx.load(str(path))
    except Exception as error:  # protobuf raises kinds of its own
        raise UnsupportedGraph(f"{path} is no ONNX graph: {error}", hint="fer-edge bundle show BUNDLE") from None
    side, layers, outputs = count_layers(model, size)
    return Workload(
        size=side,
        dense=sum(n.macs for n in layers if not n.depthwise),
        depthwise=sum(n.macs for n in layers if n.depthwise),
        params=sum(n.params for n in layers),
        activations=sum(n.written for n in layers),
        layers=len(layers),
        outputs=outputs,
    )


def count_layers(model: Any, size: int | None = None) -> tuple[int, list[Layer], int]:
    """(pixels of the input's side, layers in the graph's order, elements of the first output); errors as count_file."""
    shapes = _shapes(model, size)
    side = sorted(shapes[model.graph.input[0].name])[-1]
    layers, constants = [], _constants(model)
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            try:
                layers.append(_layer(node, shapes, constants))
            except KeyError as error:
                raise UnsupportedGraph(
                    f"the shape of tensor {error} cannot be told",
                    cause="its size depends on the picture",
                    hint=f"{sys.executable} -m pip install -U onnx",
                ) from None
    return side, layers, prod(shapes.get(model.graph.output[0].name, (0,)))


def _shapes(model: Any, size: int | None) -> dict[str, tuple[int, ...]]:
    """Every tensor's shape, as far as it can be told, with batch 1 and the input's side replaced by `size`."""
    onnx = import_onnx()
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    picture = copy.graph.input[0].type.tensor_type.shape.dim
    picture[0].dim_value = 1
    if size is not None:
        for axis in (1, 2) if picture[-1].dim_value in (1, 3) else (2, 3):
            picture[axis].dim_value = size
        del copy.graph.value_info[:]
        for output in copy.graph.output:
            output.type.tensor_type.ClearField("shape")
    found = onnx.shape_inference.infer_shapes(copy, data_prop=True).graph
    shapes = {t.name: tuple(t.dims) for t in found.initializer}
    for value in (*found.input, *found.output, *found.value_info):
        dims = value.type.tensor_type.shape.dim
        if all(d.HasField("dim_value") for d in dims):
            shapes[value.name] = tuple(d.dim_value for d in dims)
    return shapes


def _constants(model: Any) -> set[str]:
    """Tensors that do not depend on the picture: initializers and what is computed from them alone."""
    known = {t.name for t in model.graph.initializer}
    for node in model.graph.node:
        if all(name in known or not name for name in node.input):
            known.update(node.output)
    return known


def _layer(node: Any, shapes: dict[str, tuple[int, ...]], constants: set[str]) -> Layer:
    weights, written = shapes[node.input[1]], prod(shapes[node.output[0]])
    params = sum(prod(shapes[name]) for name in node.input[1:] if name in constants)
    if node.op_type == "Conv":
        group = next((a.i for a in node.attribute if a.name == "group"), 1)
        return Layer(node.name, written * prod(weights[1:]), group > 1 and weights[1] == 1, params, written)
    turned = any(a.name == "transB" and a.i for a in node.attribute)
    return Layer(node.name, written * weights[-1 if turned else -2], False, params, written)
