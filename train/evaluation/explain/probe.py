"""A graph that shows what goes on inside: its answers, the last feature map, and what each layer is given."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....bundle import LABELS, Bundle, Image, open_bundle, softmax
from ....bundle.logits import outputs_of
from ....bundle.portraits import portraits
from ....export.graph import load_float32
from ....export.onnx import export_network, import_onnx
from ...network import fold_luma, open_checkpoint

Floats = NDArray[np.float32]
WEIGHTED = ("Conv", "Gemm", "MatMul")
POOLS = ("GlobalAveragePool", "GlobalMaxPool", "ReduceMean")


class Probe:
    """One graph on ONNX Runtime, in float32.

    Attributes:
        name: of the model, for people; labels: its own; size: side of its pictures in pixels.
        feature: the tensor that the last pooling over the picture takes; empty where there is none.
        layers: (layer, the tensor that it is given), in the graph's order.
    """

    def __init__(self, model: Any, name: str, labels: Sequence[str], threads: int = 1) -> None:
        """Open a graph that takes uint8 (1, S, S, 3) `pictures`; raises MissingExtra."""
        onnx = import_onnx()
        self.name, self.labels = name, tuple(labels)
        self._model = onnx.shape_inference.infer_shapes(model)
        self._input, self._output = model.graph.input[0].name, model.graph.output[0].name
        self.size = int(model.graph.input[0].type.tensor_type.shape.dim[1].dim_value)
        self._shapes = _shapes(self._model)
        self.feature = self._last_map()
        weights = {tensor.name for tensor in model.graph.initializer}
        self.layers = tuple(
            (node.input[1], node.input[0])
            for node in model.graph.node
            if node.op_type in WEIGHTED and node.input[1] in weights and node.input[0] in self._shapes
        )
        shown = dict.fromkeys([self._output, *([self.feature] if self.feature else []), *(t for _, t in self.layers)])
        self._shown = list(shown)
        self._threads = threads
        self._inside = _session(_with_outputs(self._model, self._shown), threads)
        self._plain = _session(self._model, threads)
        self._kind = outputs_of(self._raw(portraits(self.size)[:6]))  # judged by different pictures, as in the runtime

    def answer(self, pictures: Sequence[Image]) -> Floats:
        """Probabilities (N, labels) of crops uint8 (S, S, 3)."""
        rows = self._raw(pictures)
        return softmax(rows) if self._kind == "logits" else np.asarray(rows / rows.sum(axis=1, keepdims=True))

    def _raw(self, pictures: Sequence[Image]) -> Floats:
        return np.concatenate([self._plain.run([self._output], {self._input: p[None]})[0] for p in pictures])

    def look_inside(self, picture: Image) -> dict[str, Floats]:
        """Every tensor of `feature` and `layers`, and the output, for one crop."""
        return dict(zip(self._shown, self._inside.run(self._shown, {self._input: picture[None]}), strict=True))

    @cached_property
    def head(self) -> Callable[[Floats], Floats]:
        """The graph behind `feature`, (1, C, H, W) -> raw outputs (labels,)."""
        onnx = import_onnx()
        part = onnx.utils.Extractor(self._model).extract_model([self.feature], [self._output])
        session = _session(part, self._threads)
        return lambda values: np.asarray(session.run(None, {self.feature: values})[0][0])

    def _last_map(self) -> str:
        for node in reversed(self._model.graph.node):
            shape = self._shapes.get(node.input[0], ()) if node.input else ()
            if (
                node.op_type in POOLS
                and len(shape) == 4
                and min(shape[2:]) > 1
                and _over_the_picture(self._model, node)
            ):
                return str(node.input[0])
        return ""


@contextmanager
def open_probe(bundle: Path | None, checkpoint: Path | None, threads: int = 1) -> Iterator[Probe]:
    """The float graph of a checkpoint, or of a bundle, the one inside fer-edge when None.

    Raises BundleError, UsageError: they cannot be opened.
    """
    if checkpoint:
        network, recipe = open_checkpoint(checkpoint)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            export_network(fold_luma(network, recipe.luma_layer), recipe.size, path)
            yield Probe(load_float32(path), f"checkpoint {checkpoint.name}", LABELS, threads)
        return
    opened: Bundle = open_bundle(bundle)
    reference = opened.reference
    name = f"{opened.manifest.name} {opened.manifest.version}, {reference.path} in float32"
    yield Probe(load_float32(opened.path(reference)), name, opened.labels, threads)


def _shapes(model: Any) -> dict[str, tuple[int, ...]]:
    """Tensor -> its shape, of those whose values are float32."""
    float32 = import_onnx().TensorProto.FLOAT
    return {
        value.name: tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
        for value in (*model.graph.value_info, *model.graph.output)
        if value.type.tensor_type.elem_type == float32
    }


def _over_the_picture(model: Any, node: Any) -> bool:
    """Whether a pooling runs over height and width of NCHW, and nothing else."""
    if node.op_type != "ReduceMean":
        return True
    axes = next((list(a.ints) for a in node.attribute if a.name == "axes"), [])
    return sorted(axis % 4 for axis in axes) == [2, 3]


def _with_outputs(model: Any, names: Sequence[str]) -> Any:
    onnx = import_onnx()
    result = onnx.ModelProto()
    result.CopyFrom(model)
    known = {value.name: value for value in result.graph.value_info}
    result.graph.output.extend(known[name] for name in names if name in known)
    return result


def _session(model: Any, threads: int) -> Any:
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
