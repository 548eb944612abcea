"""What a foreign graph takes and gives: the form of its picture, and which output has the labels."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bundle.logits import Logits
from ...errors import LabelMismatch, UnsupportedGraph, UsageError
from ..onnx import import_onnx

Say = Callable[[str], None]


@dataclass(frozen=True)
class Form:
    """One picture as a foreign graph takes it: (1, channels, size, size) or, as nhwc, (1, size, size, channels).

    `name` and `dtype` are those of its tensor.
    """

    name: str
    layout: str
    channels: int
    size: int
    dtype: np.dtype[Any]

    def shaped(self, nchw: NDArray[np.float32]) -> NDArray[Any]:
        """Values (1, channels, size, size) in this layout and type, whole ones rounded."""
        turned = nchw if self.layout == "nchw" else nchw.transpose(0, 2, 3, 1)
        return (turned if self.dtype.kind == "f" else turned.round()).astype(self.dtype)


def form_of(model: Any, layout: str | None, color: str | None, size: int | None, guessed: Say) -> Form:
    """The form of a graph's picture, and the graph's sizes fixed to it.

    Args:
        layout, color, size: what the person says, each None where it is to be read from the graph.
        guessed: told what was read from the graph, or assumed.

    Raises:
        UsageError: what the person says is not so, or is needed; UnsupportedGraph: no square picture.
    """
    onnx = import_onnx()
    value = model.graph.input[0]
    shape = [d.dim_value for d in value.type.tensor_type.shape.dim]
    shown = " x ".join(str(d.dim_value or d.dim_param or "?") for d in value.type.tensor_type.shape.dim)
    dtype = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    if len(shape) != 4 or dtype not in (np.float32, np.uint8, np.int8):
        raise UnsupportedGraph(
            f"the model's input {value.name} is {dtype} {shown}, which is no picture",
            cause="a bundle's model takes a picture: four axes, uint8, int8 or float",
        )
    found = layout or _layout(shape, shown)
    _, channels, height, width = shape if found == "nchw" else [shape[i] for i in (0, 3, 1, 2)]
    if channels not in (0, 1, 3) or (channels == 1 and color not in (None, "gray")):
        raise UsageError(
            f"the model's picture is {shown}: {channels} channels, as {found}",
            cause=f"it is not {color}" if color and channels == 1 else "a picture has one channel or three",
            hint="the same command with --color gray, or with the other --layout",
        )
    if {height, width} - {0, size or height or width}:
        raise UsageError(
            f"the model's picture is {shown}: {height or '?'} x {width or '?'} pixels, as {found}",
            cause=f"--size says {size}" if size else "a bundle's model takes a square",
            hint="leave --size out" if height == width else "the same command with the other --layout",
        )
    side = size or height or width
    if not side:
        raise UsageError(
            f"the model takes pictures of any size ({shown})",
            cause="a bundle's graph has one size",
            hint="the same command with --size, such as --size 112",
        )
    form = Form(value.name, found, channels or (1 if color == "gray" else 3), side, dtype)
    _tell(form, shown, layout, size, guessed)
    _fix(model, value, form)
    return form


def _layout(shape: Sequence[int], shown: str) -> str:
    """Where the channels are, by the axis that is 1 or 3 long."""
    first, last = shape[1] in (1, 3), shape[3] in (1, 3)
    if first == last:
        raise UsageError(
            f"the picture's shape {shown} does not show where its channels are",
            cause="neither the second nor the last axis alone is 1 or 3 long",
            hint="the same command with --layout nchw (as PyTorch) or --layout nhwc (as TensorFlow)",
        )
    return "nchw" if first else "nhwc"


def _tell(form: Form, shown: str, layout: str | None, size: int | None, guessed: Say) -> None:
    what = f"{form.size} x {form.size} pixels" if size is None else ""
    words = [w for w in (f"layout {form.layout}" if layout is None else "", what) if w]
    if words:
        guessed(f"{', '.join(words)}, from the input {form.name} ({form.dtype} {shown})")


def _fix(model: Any, value: Any, form: Form) -> None:
    """One picture of this size in; what follows from that is for shape inference to say."""
    shape = form.shaped(np.zeros((1, form.channels, form.size, form.size), np.float32)).shape
    for dim, length in zip(value.type.tensor_type.shape.dim, shape, strict=True):
        dim.dim_value = length
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")


class Foreign:
    """Runs a foreign graph with one picture after the other."""

    def __init__(self, model: Any, form: Form) -> None:
        """Raises UnsupportedGraph: ONNX Runtime cannot open it."""
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime

        self.form = form
        options = onnxruntime.SessionOptions()
        options.log_severity_level, options.intra_op_num_threads = 4, 1
        try:
            self._session = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
            self.outputs = dict(zip((v.name for v in model.graph.output), self.run(self.blank), strict=True))
        except Exception as error:  # ONNX Runtime raises kinds of its own
            raise UnsupportedGraph(
                f"ONNX Runtime cannot run the model with one picture: {str(error).splitlines()[0]}",
                cause="it was exported for a batch of another size, or has an operator that is no standard one",
                hint="have the tool that made it write batch 1, or a dynamic batch",
            ) from error

    @property
    def blank(self) -> NDArray[np.float32]:
        """A picture of zeros."""
        return np.zeros((1, self.form.channels, self.form.size, self.form.size), np.float32)

    def run(self, nchw: NDArray[np.float32]) -> list[NDArray[Any]]:
        """All outputs for one prepared picture (1, channels, size, size)."""
        return list(self._session.run(None, {self.form.name: self.form.shaped(nchw)}))

    def rows(self, prepared: NDArray[np.float32]) -> Logits:
        """The first output for each picture, float32 (N, classes)."""
        return np.stack([np.asarray(self.run(p[None])[0], np.float32).ravel() for p in prepared])


def keep_labels(model: Any, form: Form, labels: Sequence[str], guessed: Say) -> None:
    """Leave only the output that has a value a label, as a float; raises LabelMismatch where there is none."""
    shapes = {name: value.shape for name, value in Foreign(model, form).outputs.items()}
    fitting = [name for name, shape in shapes.items() if np.prod(shape) == len(labels)]
    if not fitting:
        told = ", ".join(f"{name} {' x '.join(map(str, shape))}" for name, shape in shapes.items())
        raise LabelMismatch(
            f"--labels names {len(labels)} labels, and the model's outputs are: {told}",
            cause="labels and model do not belong together",
            hint="name every label once, in the order of the model's outputs, as its authors publish it",
        )
    if len(shapes) > 1:
        others = ", ".join(name for name in shapes if name != fitting[0])
        guessed(f"output {fitting[0]}, which has a value a label; left out: {others}")
    maker = {n.output[0]: n for n in model.graph.node}
    name, onnx = fitting[0], import_onnx()
    if name in maker and maker[name].op_type == "QuantizeLinear":  # an 8-bit answer, which was a number before
        name = maker[name].input[0]
    del model.graph.output[:]
    model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shapes[fitting[0]]))
