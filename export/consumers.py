"""Who reads our ONNX files, and what each of them can: held against a graph before it is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import UnsupportedGraph

_COMMON = frozenset(
    (
        *("Add", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "Constant", "Conv", "DequantizeLinear"),
        *("Div", "Dropout", "Exp", "Flatten", "Gemm", "GlobalAveragePool", "GlobalMaxPool", "HardSigmoid", "Identity"),
        *("LeakyRelu", "MatMul", "MaxPool", "Mul", "Pad", "PRelu", "QuantizeLinear", "ReduceMean", "Relu", "Reshape"),
        *("Sigmoid", "Softmax", "Sqrt", "Squeeze", "Sub", "Tanh", "Transpose", "Unsqueeze"),
    )
)
"""What a picture classifier may need and both consumers of opset 13 list."""


@dataclass(frozen=True)
class Consumer:
    """A reader of ONNX files: name, newest opset, operators, and whether it has uint8 tensors."""

    name: str
    opset: int
    operators: frozenset[str]
    uint8: bool


CONSUMERS = (
    # onnx-tensorrt's operators.md of the 8.2 release; uint8 tensors came with 8.5
    Consumer("TensorRT 8.2 (JetPack 4.6)", 13, _COMMON, uint8=False),
    # OpenVINO 2021.4 documentation, "ONNX supported operators"; the last release with the NCS2's plug-in
    Consumer("OpenVINO 2021.4 (Neural Compute Stick 2)", 13, _COMMON, uint8=True),
)


def check_form(model: Any) -> None:
    """What every target wants: one picture of fixed size, and an opset that all consumers read.

    Raises UnsupportedGraph: naming the opset, or the tensor without a fixed size.
    """
    _check_shapes(model)
    _check_opset(model, min(CONSUMERS, key=lambda c: c.opset))


def check_graph(model: Any) -> None:
    """Hold a graph against every consumer that takes its kind of input.

    Raises UnsupportedGraph: naming the opset, the layer with its operator, or the tensor without a fixed size.
    """
    from .onnx import import_onnx

    onnx = import_onnx()
    picture = model.graph.input[0].type.tensor_type
    check_form(model)
    for consumer in CONSUMERS:
        if picture.elem_type == onnx.TensorProto.UINT8 and not consumer.uint8:
            continue  # it gets a twin with a float32 input
        for node in model.graph.node:
            if node.op_type not in consumer.operators:
                raise UnsupportedGraph(
                    f"{consumer.name} does not know the operator {node.op_type} of layer {node.name or node.output[0]}",
                    cause="the backbone has a layer of a newer kind",
                    hint="choose another backbone, such as resnet18 or mobilenetv2_100",
                )


def _check_opset(model: Any, consumer: Consumer) -> None:
    opset = max(i.version for i in model.opset_import if i.domain in ("", "ai.onnx"))
    foreign = [i.domain for i in model.opset_import if i.domain not in ("", "ai.onnx")]
    if opset > consumer.opset or foreign:
        raise UnsupportedGraph(
            f"the graph uses opset {opset}{' and ' + foreign[0] if foreign else ''}; "
            f"{consumer.name} reads up to {consumer.opset}",
            cause="it was exported by another tool or version",
            hint="fer-edge bundle make OUT --backbone NAME  # writes opset 13, as does fer-edge train",
        )


def _check_shapes(model: Any) -> None:
    for value in (*model.graph.input, *model.graph.output):
        shape = value.type.tensor_type.shape.dim
        if not shape or any(d.dim_value < 1 for d in shape) or shape[0].dim_value != 1:
            shown = " x ".join(str(d.dim_value or d.dim_param or "?") for d in shape)
            raise UnsupportedGraph(
                f"{value.name} has the shape {shown or '?'}, which is not one picture of fixed size",
                cause="the graph was exported with dynamic axes",
                hint="export it with batch 1 and without dynamic axes",
            )
