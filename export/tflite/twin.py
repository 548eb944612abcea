"""A TensorFlow twin of an ONNX graph: the same layers and weights, channels last."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UnsupportedGraph
from ..onnx import import_onnx
from ..quantize import Ranges

Sides = tuple[tuple[int, int], tuple[int, int]]
"""Padding: (top, bottom), (left, right)."""


class Twin:
    """Calls the layers of a graph one after the other on NHWC tensors."""

    def __init__(self, tf: Any, model: Any, ranges: Ranges | None = None) -> None:
        """Args: the tensorflow module, a graph with one NCHW input and constant weights, and ranges to be kept to.

        Raises UnsupportedGraph: an operator that has no counterpart, named with its layer.
        """
        onnx = import_onnx()
        self.tf, self.nodes = tf, list(model.graph.node)
        self.input, self.output = model.graph.input[0].name, model.graph.output[0].name
        self.weights = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
        self.positive: set[str] = set()
        self.turned: set[str] = set()
        """Tensors that the graph has channels last; here all have."""
        self.pixels: dict[str, tuple[int, ...]] = {}
        """Flattened tensor -> channels, height, width, in whose order the graph has its values."""
        self.ranges = ranges or {}
        for node in self.nodes:
            if node.op_type not in OPERATORS:
                raise UnsupportedGraph(
                    f"the operator {node.op_type} of layer {node.name} has no TFLite counterpart here",
                    cause="known are " + ", ".join(sorted(OPERATORS)),
                    hint="choose another backbone or target",
                )

    def __call__(self, x: Any) -> Any:
        """Logits of a float32 (1, S, S, 3) tensor."""
        values = {self.input: x}
        for node in self.nodes:
            options = {a.name: import_onnx().helper.get_attribute_value(a) for a in node.attribute}
            self._check_order(node)
            value = OPERATORS[node.op_type](self, node, options, values)
            if node.output[0] in self.ranges:
                value = self.tf.quantization.fake_quant_with_min_max_args(value, *self.ranges[node.output[0]])
            values[node.output[0]] = value
            grows = node.op_type in ("Relu", "Clip", "Sigmoid")
            keeps = node.op_type in ("MaxPool", "GlobalAveragePool") and node.input[0] in self.positive
            if grows or keeps:
                self.positive.add(node.output[0])
        return values[self.output]

    def _check_order(self, node: Any) -> None:
        """Only who knows of another order of values may take a tensor that the graph has in one."""
        knows = {"Flatten": self.turned, "Reshape": self.turned, "Gemm": self.pixels, "MatMul": self.pixels}
        if (self.turned | set(self.pixels)) & set(node.input) - set(knows.get(node.op_type, ())):
            raise UnsupportedGraph(
                f"layer {node.name}, a {node.op_type}, takes values in an order that has no TFLite counterpart here",
                hint="choose another backbone or target",
            )

    def value(self, name: str, values: dict[str, Any]) -> Any:
        """A tensor computed before, or a weight brought to channels last."""
        if name in values:
            return values[name]
        weight = self.weights[name]
        last = {4: (0, 2, 3, 1), 3: (1, 2, 0)}.get(weight.ndim)
        return self.tf.constant(weight.transpose(last) if last else weight)


def _conv(twin: Twin, node: Any, options: dict[str, Any], values: dict[str, Any]) -> Any:
    tf, x, kernel = twin.tf, values[node.input[0]], twin.weights[node.input[1]]
    strides, dilations = list(options.get("strides", [1, 1])), list(options.get("dilations", [1, 1]))
    x, padding = _padded(tf, x, options, kernel.shape[2:], strides, dilations)
    groups, depth = options.get("group", 1), x.shape[-1]
    if groups == 1:
        y = tf.nn.conv2d(x, tf.constant(kernel.transpose(2, 3, 1, 0)), strides, padding, dilations=dilations)
    elif groups == depth:
        deep = kernel.reshape(depth, -1, *kernel.shape[2:]).transpose(2, 3, 0, 1)
        y = tf.nn.depthwise_conv2d(x, tf.constant(deep), [1, *strides, 1], padding, dilations=dilations)
    else:
        raise UnsupportedGraph(
            f"layer {node.name} is a convolution in {groups} groups",
            cause="it needs version 6 of CONV_2D; the Edge TPU's compiler accepts up to 5",
            hint="choose a backbone without grouped convolutions",
        )
    return tf.nn.bias_add(y, tf.constant(twin.weights[node.input[2]])) if len(node.input) > 2 else y


def _padded(
    tf: Any, x: Any, options: dict[str, Any], kernel: Any, strides: list[int], dilations: list[int]
) -> tuple[Any, str]:
    """The tensor, and TensorFlow's word for the rest: SAME where that is what the graph asks, else zeros in front."""
    if (auto := options.get("auto_pad", b"NOTSET")) in (b"SAME_UPPER", b"VALID"):
        return x, auto.decode().partition("_")[0]
    top, left, bottom, right = options.get("pads", [0, 0, 0, 0])
    asked: Sides = ((top, bottom), (left, right))
    if asked == ((0, 0), (0, 0)):
        return x, "VALID"
    sides = (_same(x.shape[i + 1], kernel[i], strides[i], dilations[i]) for i in range(2))
    if asked == tuple(sides):
        return x, "SAME"
    return tf.pad(x, [(0, 0), *asked, (0, 0)]), "VALID"


def _same(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """What TensorFlow's SAME adds before and after: as much as ceil(size / stride) outputs need, the odd one after."""
    reach = (kernel - 1) * dilation + 1
    total = max((-(-size // stride) - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2


def _max_pool(twin: Twin, node: Any, options: dict[str, Any], values: dict[str, Any]) -> Any:
    strides, size = list(options.get("strides", [1, 1])), list(options["kernel_shape"])
    if any(options.get("pads", [])) and node.input[0] not in twin.positive:
        raise UnsupportedGraph(f"{node.name} pads values that may be negative, for which the Edge TPU has no operator")
    # Zeros instead of minus infinity: the same behind a ReLU, and PAD, unlike PADV2, is on the Edge TPU's list.
    x, padding = _padded(twin.tf, values[node.input[0]], options, size, strides, [1, 1])
    return twin.tf.nn.max_pool2d(x, size, strides, padding)


def _average(twin: Twin, node: Any, options: dict[str, Any], values: dict[str, Any]) -> Any:
    axes = sorted(a % 4 for a in options.get("axes", [2, 3]))
    if axes != [2, 3]:
        raise UnsupportedGraph(f"{node.name} averages over axes {axes}, not over height and width")
    return twin.tf.reduce_mean(values[node.input[0]], [1, 2], keepdims=bool(options.get("keepdims", 1)))


def _clip(twin: Twin, node: Any, options: dict[str, Any], values: dict[str, Any]) -> Any:
    low, high = (float(twin.weights[n]) for n in node.input[1:3])
    if (low, high) != (0.0, 6.0):
        raise UnsupportedGraph(f"{node.name} clips to {low} .. {high}; only ReLU6 has a counterpart")
    return twin.tf.nn.relu6(values[node.input[0]])


def _flatten(twin: Twin, node: Any, options: dict[str, Any], values: dict[str, Any]) -> Any:
    x = values[node.input[0]]
    if len(x.shape) == 4 and (x.shape[1], x.shape[2]) != (1, 1) and node.input[0] not in twin.turned:
        twin.pixels[node.output[0]] = (x.shape[3], x.shape[1], x.shape[2])
    return twin.tf.reshape(x, (1, -1))


def _transpose(twin: Twin, node: Any, options: dict[str, Any], values: dict[str, Any]) -> Any:
    if list(options["perm"]) != [0, 2, 3, 1]:
        raise UnsupportedGraph(f"{node.name} turns a tensor's axes, for which the Edge TPU has no operator")
    twin.turned.add(node.output[0])
    return values[node.input[0]]


def _gemm(twin: Twin, node: Any, options: dict[str, Any], values: dict[str, Any]) -> Any:
    weight: NDArray[Any] = np.asarray(twin.weights[node.input[1]])
    turned = weight.T if options.get("transB", 0) else weight
    if shape := twin.pixels.get(node.input[0]):  # its rows in the order that the pixels have here
        turned = turned.reshape(*shape, -1).transpose(1, 2, 0, 3).reshape(turned.shape)
    product = twin.tf.matmul(values[node.input[0]], twin.tf.constant(turned))
    return product + twin.weights[node.input[2]] if len(node.input) > 2 else product


def _two(name: str) -> Any:
    def apply(twin: Twin, node: Any, options: dict[str, Any], values: dict[str, Any]) -> Any:
        return getattr(twin.tf, name)(*(twin.value(n, values) for n in node.input))

    return apply


OPERATORS: dict[str, Any] = {
    "Add": _two("add"),
    "Clip": _clip,
    "Conv": _conv,
    "Flatten": _flatten,
    "Gemm": _gemm,
    "GlobalAveragePool": _average,
    "Identity": _two("identity"),
    "MatMul": _gemm,
    "MaxPool": _max_pool,
    "Mul": _two("multiply"),
    "ReduceMean": _average,
    "Relu": lambda twin, node, options, values: twin.tf.nn.relu(values[node.input[0]]),
    "Reshape": _flatten,
    "Sigmoid": _two("sigmoid"),
    "Squeeze": _flatten,
    "Transpose": _transpose,
}
"""ONNX operator -> (twin, node, attributes, values so far) -> NHWC tensor."""
