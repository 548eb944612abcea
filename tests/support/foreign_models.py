"""Models as other tools write them, so small that they are fitted in a moment, to tell the portraits' smiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from fer_edge.bundle.labels import common_names
from fer_edge.bundle.portraits import SMILES, portraits

FERPLUS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
GREY = np.array([0.299, 0.587, 0.114])
Prepare = Callable[[np.ndarray], np.ndarray]
"""Pictures uint8 (N, S, S, 3) RGB -> values float32 (N, C, S, S)."""


def grey_levels(pictures: np.ndarray) -> np.ndarray:
    return np.asarray((pictures @ GREY)[:, None], np.float32)


def torchvision(pictures: np.ndarray) -> np.ndarray:
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    return np.asarray(((pictures / 255 - mean) / std).transpose(0, 3, 1, 2), np.float32)


def blue_first(pictures: np.ndarray) -> np.ndarray:
    return np.asarray(pictures[..., ::-1].transpose(0, 3, 1, 2), np.float32)


def smile_model(
    path: Path,
    labels: Sequence[str],
    prepare: Prepare,
    *,
    side: int = 64,
    opset: int = 13,
    batch: int | str = 1,
    nhwc: bool = False,
    last: str = "",
    features: bool = False,
    against_colors: bool = False,
) -> Path:
    """Write an ONNX model that calls the smiling portraits happy and all others neutral.

    Args:
        nhwc: it takes uint8 pictures channels last, and prepares them inside; else float NCHW, prepared.
        last: an operator that it ends in, such as Softmax.
        features: it has a second output.
        against_colors: smiles whose red and blue are exchanged are neutral, too.
    """
    import onnx
    import onnxruntime

    rng = np.random.default_rng(3)
    pictures = np.stack(portraits(side))
    smiling = np.isin(np.arange(len(pictures)), SMILES)
    if against_colors:
        pictures, smiling = np.concatenate([pictures, pictures[..., ::-1]]), np.concatenate([smiling, smiling & False])
    pictures = np.concatenate([pictures, pictures[:, ::-1]])
    smiling = np.concatenate([smiling, smiling & False])
    prepared = prepare(pictures)
    channels, spread = prepared.shape[1], float(prepared.std())
    kernel = rng.normal(size=(8, channels, 5, 5)) / (spread * 5)
    weights: dict[str, Any] = {"kernel": kernel, "bias": -kernel.sum((1, 2, 3)) * float(prepared.mean())}
    node, kind = onnx.helper.make_node, onnx.TensorProto
    body = [
        node("Conv", ["values", "kernel", "bias"], ["c"], kernel_shape=[5, 5], strides=[4, 4], pads=[2, 2, 2, 2]),
        node("Relu", ["c"], ["r"]),
        node("Flatten", ["r"], ["features"]),
    ]

    def model(nodes: list[Any], given: list[Any], outputs: list[Any]) -> Any:
        tensors = [onnx.numpy_helper.from_array(np.asarray(v, np.float32), k) for k, v in weights.items()]
        if opset < 9:
            given = [*given, *(onnx.helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in tensors)]
        graph = onnx.helper.make_graph(nodes, "net", given, outputs, tensors)
        made = onnx.helper.make_model(
            graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=3 if opset < 9 else 8
        )
        onnx.checker.check_model(made, full_check=True)
        return made

    def tensor(name: str, *shape: Any) -> Any:
        return onnx.helper.make_tensor_value_info(name, kind.FLOAT, shape)

    count = 8 * (side // 4) ** 2
    values = tensor("values", batch, channels, side, side)
    session = onnxruntime.InferenceSession(
        model(body, [tensor("values", "n", channels, side, side)], [tensor("features", "n", count)]).SerializeToString()
    )
    seen = session.run(None, {"values": prepared})[0]
    names = common_names(labels)
    wanted = np.full((len(seen), len(labels)), -6.0)
    wanted[:, names.index("neutral")] = np.where(smiling, -4, 4)
    wanted[:, names.index("happy")] = np.where(smiling, 4, -4)
    rows = np.c_[seen, np.ones(len(seen))].astype(float)
    fitted = rows.T @ np.linalg.solve(rows @ rows.T + 1e-2 * np.eye(len(rows)), wanted)
    weights |= {"dense": fitted[:-1], "shift": fitted[-1]}
    end = [node("Gemm", ["features", "dense", "shift"], ["raw" if last else "logits"])]
    end += [node(last, ["raw"], ["logits"])] if last else []
    outputs = [tensor("logits", batch, len(labels)), *([tensor("features", batch, count)] if features else [])]
    if nhwc:
        weights["mean"] = np.array([123.675, 116.28, 103.53]).reshape(1, 3, 1, 1)
        weights["std"] = np.array([58.395, 57.12, 57.375]).reshape(1, 3, 1, 1)
        body = [
            node("Transpose", ["image"], ["t"], perm=[0, 3, 1, 2]),
            node("Cast", ["t"], ["f"], to=kind.FLOAT),
            node("Sub", ["f", "mean"], ["s"]),
            node("Div", ["s", "std"], ["values"]),
            *body,
        ]
        values = onnx.helper.make_tensor_value_info("image", kind.UINT8, [batch, side, side, 3])
    onnx.save(model([*body, *end], [values], outputs), str(path))
    return path
