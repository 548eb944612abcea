"""A model file of another tool as one ONNX graph in float32."""

from __future__ import annotations

import logging
import shlex
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...bundle.extras import load
from ...errors import ConversionFailed, InputError, UnsupportedGraph, UsageError
from ..onnx import OPSET, aside, import_onnx
from ..tflite.convert import import_tensorflow

KERAS_TO_TFLITE = (
    "import tensorflow as tf; model = tf.keras.models.load_model({source!r}); "
    "open({target!r}, 'wb').write(tf.lite.TFLiteConverter.from_keras_model(model).convert())"
)
ANY_SIDE = 224
"""Side of the example picture for a network that takes pictures of any size and was given none."""


def read_model(path: Path, size: int | None = None) -> Any:
    """The graph of an .onnx, .tflite or .pt2 file.

    Args:
        size: side of its picture in pixels, for a network that leaves it open.

    Raises:
        InputError: no such file, or a damaged one; UsageError: another kind of file.
        UnsupportedGraph, ConversionFailed: what is in it cannot be had as ONNX; MissingExtra: a reader is absent.
    """
    if not path.is_file():
        raise InputError(f"there is no file {path}", hint=f"ls {shlex.quote(str(path.parent))}")
    readers: dict[str, Callable[[Path], Any]] = {
        ".onnx": _onnx,
        ".tflite": _tflite,
        ".pt2": lambda path: _exported_program(path, size),
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UsageError(
            f"{path.name} is of no kind that can be imported",
            cause="these can: " + ", ".join(readers),
            hint=_way_to(path),
        )
    return _in_float32(reader(path))


def _way_to(path: Path) -> str:
    """How a file of a usual kind becomes one that can be read."""
    if path.suffix.lower() in (".h5", ".hdf5", ".keras"):
        code = KERAS_TO_TFLITE.format(source=str(path), target=str(path.with_suffix(".tflite")))
        return shlex.join([sys.executable, "-c", code])
    if path.suffix.lower() in (".pt", ".pth", ".ckpt", ".safetensors"):
        return "where the network is defined: torch.export.save(torch.export.export(network, (picture,)), 'model.pt2')"
    return "write it as ONNX with the tool that made it"


def _onnx(path: Path) -> Any:
    onnx = import_onnx()
    try:
        model = onnx.load(str(path))
        onnx.checker.check_model(str(path))
    except Exception as error:  # protobuf and onnx raise kinds of their own
        raise InputError(
            f"{path} is not a whole ONNX model: {str(error).splitlines()[0]}",
            cause="it was cut short, or its .data file is not beside it",
            hint=f"ls -l {shlex.quote(str(path.parent))}",
        ) from error
    return model


def _tflite(path: Path) -> Any:
    if path.read_bytes()[4:8] != b"TFL3":
        raise InputError(f"{path} is not a TFLite model", cause="it was cut short, or is of another kind")
    import_tensorflow()
    tf2onnx = load("tf2onnx.convert", "edgetpu")
    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)
    with tempfile.TemporaryFile() as log, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it opens the file with TensorFlow's deprecated interpreter
        try:
            model, _ = aside(lambda: tf2onnx.from_tflite(str(path), opset=OPSET), log)
        except Exception as error:  # whatever a reader of a foreign file may raise
            raise _no_way(path, "tf2onnx", error) from error
    return model


def _exported_program(path: Path, size: int | None) -> Any:
    onnx, torch = import_onnx(), load("torch", "train")
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            program = torch.export.load(str(path))
        except Exception as error:
            raise InputError(
                f"{path} is not an archive of torch.export: {str(error).splitlines()[0]}",
                cause="it was cut short, or another version of torch wrote it",
                hint="write it again with torch.export.save",
            ) from error
        module = program.module().requires_grad_(False)
        module.train = lambda mode=True: module  # the exporter calls it, and such a module refuses
        raw = str(Path(folder) / "raw.onnx")
        try:
            torch.onnx.export(module, _examples(torch, program, size), raw, dynamo=False, opset_version=OPSET)
        except Exception as error:  # torch raises kinds of its own
            raise _no_way(path, "torch.onnx", error) from error
        return onnx.load(raw)


def _examples(torch: Any, program: Any, size: int | None) -> tuple[Any, ...]:
    """A blank tensor for each input of an exported program, open sizes filled in: one picture, of this side."""
    given = program.graph_signature.user_inputs
    values = [n.meta["val"] for n in program.graph.nodes if n.op == "placeholder" and n.name in given]
    shapes = [
        [d if isinstance(d, int) else 1 if axis == 0 else size or ANY_SIDE for axis, d in enumerate(v.shape)]
        for v in values
    ]
    return tuple(torch.zeros(shape, dtype=v.dtype) for shape, v in zip(shapes, values, strict=True))


def _no_way(path: Path, tool: str, error: Exception) -> ConversionFailed:
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return ConversionFailed(
        f"{tool} cannot make an ONNX graph of {path.name}: {first}",
        cause="the file is damaged, or has an operator that is no standard one",
        hint="the same command with --debug",
    )


def _in_float32(model: Any) -> Any:
    """The model with every float16 tensor made float32: a processor computes in float32, and a device's own converter
    makes float16 of it where it is wanted. Raises UnsupportedGraph: not one picture in."""
    onnx = import_onnx()
    kind = onnx.TensorProto
    constants = [a.t for node in model.graph.node for a in node.attribute if a.HasField("t")]
    for tensor in (*model.graph.initializer, *constants):
        if tensor.data_type == kind.FLOAT16:
            values = onnx.numpy_helper.to_array(tensor).astype("float32")
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == kind.FLOAT16:
                attribute.i = kind.FLOAT
    for value in (*model.graph.input, *model.graph.output):
        if value.type.tensor_type.elem_type == kind.FLOAT16:
            value.type.tensor_type.elem_type = kind.FLOAT
    del model.graph.value_info[:]
    model.ir_version = max(model.ir_version, 4)  # before, weights had to be inputs, too
    weights = {t.name for t in model.graph.initializer}
    pictures = [v for v in model.graph.input if v.name not in weights]
    if len(pictures) != 1:
        raise UnsupportedGraph(
            f"the model takes {len(pictures)} inputs: {', '.join(v.name for v in pictures) or 'none'}",
            cause="a bundle's model takes one picture and nothing else",
        )
    del model.graph.input[:]
    model.graph.input.extend(pictures)
    return model
