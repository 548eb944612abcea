"""The canonical graph as other converters want it: float32 weights, and what a picture goes through before layer 1."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UnsupportedGraph
from .onnx import import_onnx

INPUT, NORMALISED = "pictures", "normalised"


@dataclass(frozen=True)
class Stem:
    """What the graph does to a picture first: (x - mean) / std, each float32 (3,) in grey levels.

    `output` is the tensor the first layer takes, float32 NCHW.
    """

    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    output: str


def load_float32(path: Path) -> Any:
    """An ONNX model with every weight that is stored as float16 brought back to float32, and constants as initializers.

    Raises UnsupportedGraph: the file is no ONNX graph.
    """
    onnx = import_onnx()
    try:
        model = onnx.load(str(path))
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf and onnx raise kinds of their own
        raise UnsupportedGraph(f"{path.name} is not a valid ONNX graph: {str(error).splitlines()[0]}") from error
    weights = {t.name: t for t in model.graph.initializer}
    kept = []
    for node in model.graph.node:
        source = weights.get(node.input[0]) if node.op_type == "Cast" else None
        if node.op_type == "Constant":
            weights[node.output[0]] = _named(node.attribute[0].t, node.output[0])
        elif source is not None and source.data_type == onnx.TensorProto.FLOAT16:
            values = onnx.numpy_helper.to_array(weights.pop(source.name)).astype(np.float32)
            weights[node.output[0]] = onnx.numpy_helper.from_array(values, node.output[0])
        else:
            kept.append(node)
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(kept)
    model.graph.initializer.extend(weights.values())
    return model


def read_stem(model: Any) -> Stem:
    """What stands between the uint8 picture and the first layer; raises UnsupportedGraph when it is not (x - m) / s."""
    onnx = import_onnx()
    weights = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    after = {node.input[0]: node for node in model.graph.node}
    mean, std = np.zeros(3, np.float32), np.ones(3, np.float32)
    tensor = model.graph.input[0].name
    while (node := after[tensor]).op_type in ("Transpose", "Cast", "Sub", "Div", "Mul"):
        if node.op_type in ("Sub", "Div", "Mul"):
            value = np.broadcast_to(np.ravel(weights[node.input[1]]), 3).astype(np.float32)
            mean = mean + std * value if node.op_type == "Sub" else mean
            std = {"Sub": std, "Div": std * value, "Mul": std / value}[node.op_type]
        tensor = node.output[0]
    if node.op_type not in ("Conv", "Pad"):
        raise UnsupportedGraph(
            f"the graph does not begin with (picture - mean) / deviation and a convolution, but with {node.op_type}",
            cause="it was not made by fer-edge",
            hint="fer-edge train --help  # what it makes can be exported",
        )
    return Stem(mean, std, tensor)


def without_stem(model: Any, stem: Stem) -> Any:
    """The graph from its first layer on: its input is float32 (1, 3, S, S), already normalised."""
    onnx = import_onnx()
    result = _copy(model)
    side = result.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    before = _upstream(result, stem.output)
    kept = [n for n in result.graph.node if n.output[0] not in before]
    for node in kept:
        node.input[:] = [NORMALISED if name == stem.output else name for name in node.input]
    return _rebuilt(
        result, kept, onnx.helper.make_tensor_value_info(NORMALISED, onnx.TensorProto.FLOAT, [1, 3, side, side])
    )


def with_float_input(model: Any) -> Any:
    """The whole graph with a float32 (1, S, S, 3) input of 0..255, for consumers without uint8 tensors."""
    onnx = import_onnx()
    result = _copy(model)
    shape = [d.dim_value for d in result.graph.input[0].type.tensor_type.shape.dim]
    cast = next(n for n in result.graph.node if n.op_type == "Cast")
    kept = [n for n in result.graph.node if n is not cast]
    for node in kept:
        node.input[:] = [cast.input[0] if name == cast.output[0] else name for name in node.input]
    return _rebuilt(result, kept, onnx.helper.make_tensor_value_info(INPUT, onnx.TensorProto.FLOAT, shape))


def _copy(model: Any) -> Any:
    result = import_onnx().ModelProto()
    result.CopyFrom(model)
    return result


def _named(tensor: Any, name: str) -> Any:
    result = import_onnx().TensorProto()
    result.CopyFrom(tensor)
    result.name = name
    return result


def _upstream(model: Any, tensor: str) -> set[str]:
    """Names of all tensors that a tensor is computed from, itself included."""
    maker = {n.output[0]: n for n in model.graph.node}
    found, todo = set(), [tensor]
    while todo:
        name = todo.pop()
        found.add(name)
        todo += list(maker[name].input) if name in maker else []
    return found


def _rebuilt(model: Any, nodes: list[Any], picture: Any) -> Any:
    """The model with these nodes and this input, weights that nobody reads any more left out, checked."""
    used = {name for node in nodes for name in node.input}
    weights = [t for t in model.graph.initializer if t.name in used]
    kept = [type(n).FromString(n.SerializeToString()) for n in nodes]
    tensors = [type(t).FromString(t.SerializeToString()) for t in weights]
    del model.graph.node[:], model.graph.initializer[:], model.graph.input[:], model.graph.value_info[:]
    model.graph.node.extend(kept)
    model.graph.initializer.extend(tensors)
    model.graph.input.append(picture)
    import_onnx().checker.check_model(model, full_check=True)
    return model
