"""From the canonical graph to a full-integer TFLite file: int8 in and out, NHWC, no float tensor.

The ONNX graph is rebuilt operator by operator in TensorFlow, channels last, and quantised by TFLite's own converter.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bundle import Image
from ...bundle.extras import load
from ...errors import ConversionFailed, UnsupportedGraph
from ..graph import NORMALISED, Stem
from ..job import Job
from ..onnx import aside, import_onnx
from ..quantize import Ranges
from .twin import Twin


def import_tensorflow() -> Any:
    """tensorflow, quiet; raises MissingExtra."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # its notice cannot be silenced otherwise
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    return load("tensorflow", "edgetpu")


def convert_int8(model: Any, stem: Stem, pictures: Sequence[Image], target: Path, ranges: Ranges | None = None) -> None:
    """Write an int8 TFLite file whose input is the pixel less 128.

    The normalisation is not an operator: it is the scale and zero point of the input tensor.

    Args:
        model: the graph from its first layer on, as `without_stem` gives it.
        stem: what the pictures go through before.
        pictures: calibration crops, uint8 (S, S, 3).
        target: the file to write.
        ranges: of the activations, to be taken as they are; None measures them on the pictures.

    Raises:
        UnsupportedGraph: an operator without a counterpart, named with its layer; ConversionFailed: the converter
        gave up; MissingExtra: tensorflow is absent.
    """
    tf = import_tensorflow()
    grey, scale = input_grid(stem)
    twin = Twin(tf, centred(model, stem, grey, scale), ranges)
    side = model.graph.input[0].type.tensor_type.shape.dim[2].dim_value
    low, high = -grey / scale, (255 - grey) / scale

    shape = [tf.TensorSpec((1, side, side, 3), tf.float32)]

    @tf.function(input_signature=shape, autograph=False)  # type: ignore[untyped-decorator]
    def forward(x: Any) -> Any:
        return twin(tf.quantization.fake_quant_with_min_max_args(x, low, high))

    converter = tf.lite.TFLiteConverter.from_concrete_functions([forward.get_concrete_function()], twin)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if ranges is None:
        converter.representative_dataset = lambda: ([_float(p, grey, scale)] for p in pictures)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]  # would ask for pictures else
    converter.inference_input_type = converter.inference_output_type = tf.int8
    # Edge TPU tool chains scale a fully-connected layer as a whole; per-channel scales there are said to be misread.
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    target.write_bytes(_convert(converter))


def int8_file(job: Job) -> tuple[Path, dict[str, Any]]:
    """The job's int8 TFLite file and its settings; made once, however many targets want it."""
    path = job.work / "shared" / "model_int8.tflite"
    if not path.is_file():
        convert_int8(job.headless, job.stem, job.pictures, job.file("shared/model_int8.tflite"), job.ranges)
    return path, {
        **job.measured_on("min-max"),
        "activations": "int8 per tensor",
        "weights": "int8 per channel, fully-connected per tensor",
    }


def input_grid(stem: Stem) -> tuple[int, float]:
    """The grey level that becomes 0, a whole number because zero points are, and the deviation common to R, G and B."""
    return round(float(stem.mean.mean())), float(stem.std.mean())


def centred(model: Any, stem: Stem, grey: int, scale: float) -> Any:
    """The graph with its first convolution changed to take (x - grey) / scale instead of (x - mean) / std.

    Exact inside the picture; in the padding, at its border, the fraction of a grey level between the two means remains.
    """
    onnx = import_onnx()
    result = type(model).FromString(model.SerializeToString())
    first = next(n for n in result.graph.node if NORMALISED in n.input)
    tensors = {t.name: t for t in result.graph.initializer}
    if first.op_type != "Conv":
        raise UnsupportedGraph(f"the first layer, {first.name}, is a {first.op_type} and not a convolution")
    if len(first.input) < 3:  # as where grey is mixed in a layer of its own
        none = np.zeros(tensors[first.input[1]].dims[0], np.float32)
        tensors["first_bias"] = result.graph.initializer.add()
        tensors["first_bias"].CopyFrom(onnx.numpy_helper.from_array(none, "first_bias"))
        first.input.append("first_bias")
    weight, bias = (onnx.numpy_helper.to_array(tensors[n]) for n in first.input[1:3])
    shift = ((grey - stem.mean) / stem.std)[None, :, None, None]
    changed = {
        first.input[1]: weight * (scale / stem.std)[None, :, None, None],
        first.input[2]: bias + (weight * shift).sum(axis=(1, 2, 3)),
    }
    for name, values in changed.items():
        tensors[name].CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float32), name))
    return result


def _float(picture: Image, grey: int, scale: float) -> NDArray[np.float32]:
    return ((picture[None].astype(np.float32) - grey) / scale).astype(np.float32)


def _convert(converter: Any) -> bytes:
    """Run the converter, whose C++ part writes to standard error, and give its bytes."""
    with tempfile.TemporaryFile() as log:
        try:
            return bytes(aside(converter.convert, log))
        except Exception as error:  # the converter raises kinds of its own
            log.seek(0)
            last = log.read().decode(errors="replace").strip().splitlines()[-1:]
            raise ConversionFailed(
                f"TFLite's converter gave up: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
                cause=last[0] if last else "an operator it cannot quantise",
                hint="the same command with --debug",
            ) from error
