"""Our contract around a foreign graph: uint8 RGB NHWC in, logits out, everything else inside.

What the model does to a picture before its first convolution, and what it wants done before, becomes our stem,
(picture - mean) / deviation, with the order and mixture of colours in the convolution's weights; so every exporter
reads it like a graph of our own. Where that is not exact, a convolution of one pixel stands in front.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...bundle.logits import FLOOR
from ..graph import INPUT
from ..onnx import OPSET, import_onnx
from .affine import Affine, Floats, readers, split
from .form import Form

PREFIX = "net/"
"""Of every name in the foreign graph."""
IR_VERSION = 7
"""Of the file; what opset 13 came with, and TensorRT 8.2 reads."""


def merge_pads(model: Any) -> None:
    """Put zeros that a layer of its own adds around a picture into the convolution behind it, as devices have it."""
    onnx = import_onnx()
    unsaid = onnx.helper.make_attribute("auto_pad", "NOTSET")
    tensors = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    for pad in [n for n in model.graph.node if n.op_type == "Pad" and set(n.input[1:2]) & set(tensors)]:
        conv = next((n for n in model.graph.node if pad.output[0] in n.input), None)
        options = {a.name: a for a in conv.attribute} if conv else {}
        around = tensors[pad.input[1]].tolist()
        value = tensors.get(pad.input[2], np.zeros(1)) if len(pad.input) > 2 and pad.input[2] else np.zeros(1)
        constant = all(a.name != "mode" or a.s == b"constant" for a in pad.attribute) and not value.any()
        if not constant or conv is None or conv.op_type != "Conv" or readers(model, pad.output[0]) > 1:
            continue
        if (
            len(around) != 8
            or any(around[i] for i in (0, 1, 4, 5))
            or min(around) < 0
            or options.get("auto_pad", unsaid).s != unsaid.s
        ):
            continue
        own = list(options["pads"].ints) if "pads" in options else [0, 0, 0, 0]
        if "pads" in options:
            conv.attribute.remove(options["pads"])
        total = [a + b for a, b in zip(own, [around[i] for i in (2, 3, 6, 7)], strict=True)]
        conv.attribute.append(onnx.helper.make_attribute("pads", total))
        conv.input[0] = pad.input[0]
        model.graph.node.remove(pad)


def wrap(model: Any, form: Form, affine: Affine, outputs: str) -> Any:
    """The graph with our stem in front and logits at its end, its opset as it is.

    Args:
        affine: from `first_layer`.
        outputs: what the graph gives; of "probabilities" a softmax at its end is cut off, or their logarithm taken.
    """
    onnx = import_onnx()
    result = onnx.compose.add_prefix(model, PREFIX)  # so that no name of the graph is one of ours
    tensor, untouched = PREFIX + affine.tensor, affine.tensor == form.name
    mean, std, mix, rest = split(affine)
    weights = {"mean": mean.reshape(1, 3, 1, 1), "std": std.reshape(1, 3, 1, 1)}
    node = onnx.helper.make_node
    stem = [
        node("Transpose", [INPUT], ["nchw"], perm=[0, 3, 1, 2]),
        node("Cast", ["nchw"], ["float"], to=onnx.TensorProto.FLOAT),
        node("Sub", ["float", "mean"], ["centred"]),
        node("Div", ["centred", "std"], ["scaled"]),
    ]
    folded = not (untouched and form.layout == "nhwc") and _fold(result, tensor, mix, rest)
    if not folded and not (np.array_equal(mix, np.eye(3)) and not rest.any()):
        weights |= {"mix": mix[:, :, None, None], "rest": rest}
        stem.append(node("Conv", [stem[-1].output[0], "mix", "rest"], ["mixed"]))
    if untouched and form.layout == "nhwc":
        stem.append(node("Transpose", [stem[-1].output[0]], ["nhwc"], perm=[0, 2, 3, 1]))
    if untouched and form.dtype.kind != "f":
        to = onnx.helper.np_dtype_to_tensor_dtype(form.dtype)
        stem.append(node("Cast", [stem[-1].output[0]], ["whole"], to=to))
    for one in result.graph.node:
        one.input[:] = [stem[-1].output[0] if name == tensor else name for name in one.input]
    tail = _tail(result, outputs)
    return _rebuilt(result, [*stem, *result.graph.node, *tail], weights, form.size)


def _fold(model: Any, tensor: str, mix: Floats, rest: Floats) -> bool:
    """Put the mixture of colours into the weights of the convolution that takes the tensor; whether that could be."""
    onnx = import_onnx()
    conv = next((n for n in model.graph.node if tensor in n.input), None)
    if conv is not None and conv.op_type == "Pad":
        conv = next((n for n in model.graph.node if conv.output[0] in n.input), None)
    tensors = {t.name: t for t in model.graph.initializer}
    if conv is None or conv.op_type != "Conv" or conv.input[1] not in tensors or rest.any():
        return False
    if next((a.i for a in conv.attribute if a.name == "group"), 1) != 1 or readers(model, conv.input[1]) != 1:
        return False
    kernel = onnx.numpy_helper.to_array(tensors[conv.input[1]])
    mixed = np.einsum("ochw,cd->odhw", kernel, mix).astype(np.float32)
    tensors[conv.input[1]].CopyFrom(onnx.numpy_helper.from_array(mixed, conv.input[1]))
    if len(conv.input) < 3:  # an exporter shifts it
        conv.input.append(f"{conv.output[0]}_bias")
        zeros = np.zeros(len(kernel), np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(zeros, conv.input[2]))
    return True


def _tail(model: Any, outputs: str) -> list[Any]:
    """The nodes that make `logits` of the graph's output, which is cut off behind the last layer that computes."""
    onnx = import_onnx()
    node = onnx.helper.make_node
    maker = {n.output[0]: n for n in model.graph.node}
    name = end = model.graph.output[0].name
    while name in maker and maker[name].op_type in ("QuantizeLinear", "DequantizeLinear", "Identity", "Reshape"):
        name = maker[name].input[0]
    if outputs == "logits":
        return [node("Flatten", [end], ["logits"])]
    if name in maker and maker[name].op_type == "Softmax":
        return [node("Flatten", [maker[name].input[0]], ["logits"])]
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(FLOOR), "floor"))
    return [
        node("Flatten", [end], ["flat"]),
        node("Clip", ["flat", "floor"], ["floored"]),
        node("Log", ["floored"], ["logits"]),
    ]


def _rebuilt(model: Any, nodes: list[Any], weights: dict[str, Floats], size: int) -> Any:
    """The model with these nodes, as far as they lead to the logits, and these weights beside its own."""
    onnx = import_onnx()
    needed, kept = {"logits"}, []
    for one in reversed(nodes):
        if needed & set(one.output):
            needed |= set(one.input)
            kept.append(type(one).FromString(one.SerializeToString()))
    arrays = [onnx.numpy_helper.from_array(np.asarray(v, np.float32), name) for name, v in weights.items()]
    graph = onnx.helper.make_graph(
        kept[::-1],
        "imported",
        [onnx.helper.make_tensor_value_info(INPUT, onnx.TensorProto.UINT8, [1, size, size, 3])],
        [onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, None)],
        [t for t in (*model.graph.initializer, *arrays) if t.name in needed],
    )
    opset = max(i.version for i in model.opset_import if i.domain == "")
    version = IR_VERSION if opset <= OPSET else model.ir_version
    made = onnx.helper.make_model(graph, opset_imports=list(model.opset_import), ir_version=version)
    return onnx.shape_inference.infer_shapes(made, strict_mode=True)
