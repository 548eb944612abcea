"""Who reads our ONNX files, and what each of them can: a graph is held against it before it is written."""

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
"""What a convolutional picture classifier may need and both consumers of opset 13 list."""
_NEWER = _COMMON | frozenset(
    (
        *(
            "Erf",
            "Expand",
            "Gather",
            "GatherElements",
            "HardSwish",
            "InstanceNormalization",
            "LayerNormalization",
            "Pow",
            "ReduceL2",
            "ReduceMax",
        ),
        *("ReduceSum", "Shape", "Slice", "Split", "Tile", "Where"),
    )
)
"""What transformers need besides, as onnx-tensorrt's operators.md of the 10.x releases has it."""
NEWEST = 17
"""The newest opset that is written: the first with LayerNormalization, which is one layer there and six in 13."""


@dataclass(frozen=True)
class Consumer:
    """A reader of ONNX files.

    Attributes:
        name: for people; device: the profile that has it.
        target: whose files it reads.
        opset: the newest that it reads; operators: those of a picture classifier that it lists.
    """

    name: str
    device: str
    target: str
    opset: int
    operators: frozenset[str]


CONSUMERS = (
    # onnx-tensorrt's operators.md of the 8.2 release
    Consumer("TensorRT 8.2 (JetPack 4.6)", "jetson-nano", "tensorrt", 13, _COMMON),
    # The same of 10.x, whose parser reads opset 9 to 22
    Consumer("TensorRT 10 (JetPack 6)", "jetson-orin-nano", "tensorrt", 22, _NEWER),
    # OpenVINO 2021.4 documentation, "ONNX supported operators"; the last release with the NCS2's plug-in
    Consumer("OpenVINO 2021.4 (Neural Compute Stick 2)", "ncs2", "onnx", 13, _COMMON),
)
"""Those with limits of their own. ONNX Runtime and OpenVINO of today read all that is written."""


def check_form(model: Any) -> None:
    """What every target wants: one picture of fixed size, standard operators, and an opset that is not too new.

    Raises UnsupportedGraph: naming the opset, or the tensor without a fixed size.
    """
    _check_shapes(model)
    opset = opset_of(model)
    foreign = [i.domain for i in model.opset_import if i.domain not in ("", "ai.onnx")]
    if opset > NEWEST or foreign:
        what = f"opset {opset}{' and ' + foreign[0] if foreign else ''}"
        raise UnsupportedGraph(
            f"the graph uses {what}; what exports it reads up to {NEWEST}",
            cause="it was exported by another tool or version",
            hint="fer-edge bundle make OUT --backbone NAME  # writes opset 13 or 17, as does fer-edge train",
        )


def opset_of(model: Any) -> int:
    """The version of the standard operators that a graph uses."""
    return max(int(i.version) for i in model.opset_import if i.domain in ("", "ai.onnx"))


def unreadable_by(model: Any, target: str) -> dict[str, str]:
    """Devices of a target that cannot read a graph, and why: for the artifact's report, where a run looks.

    Raises UnsupportedGraph: its form is wrong; or the target has none but such devices, naming the layer.
    """
    check_form(model)
    readers = [consumer for consumer in CONSUMERS if consumer.target == target]
    found = {consumer.device: why for consumer in readers if (why := _fault(model, consumer))}
    if target == "tensorrt" and len(found) == len(readers):  # an onnx file has ONNX Runtime to read it, in any case
        raise UnsupportedGraph(
            found[readers[-1].device],
            cause="the backbone has a layer of a newer kind",
            hint="choose another backbone, such as resnet18 or mobilenetv2_100",
        )
    return found


def limits(model: Any, target: str) -> dict[str, Any]:
    """`unreadable_by` as an entry of an artifact's report; nothing where every device reads the graph."""
    found = unreadable_by(model, target)
    return {"unreadable_by": found} if found else {}


def _fault(model: Any, consumer: Consumer) -> str:
    if (opset := opset_of(model)) > consumer.opset:
        return f"{consumer.name} reads up to opset {consumer.opset}, and the graph uses {opset}"
    for node in model.graph.node:
        if node.op_type not in consumer.operators:
            layer = node.name or node.output[0]
            return f"{consumer.name} does not know the operator {node.op_type} of layer {layer}"
    return ""


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
