"""Bundles of a few nodes that misbehave in one way."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from fer_edge.bundle import LABELS

SIDE = 112


def odd_bundle(folder: Path, limit: float) -> Path:
    """One that sees `happy`, and answers NaN to a crop whose mean is above the limit, 0..255."""
    onnx = pytest.importorskip("onnx", reason="needs the export extra")
    node, kind = onnx.helper.make_node, onnx.TensorProto
    bias = np.where(np.array(LABELS) == "happy", 6, 0).astype(np.float32)
    constants = {"bias": bias[None], "zero": np.zeros((1, len(LABELS)), np.float32), "limit": np.float32(limit)}
    graph = onnx.helper.make_graph(
        [
            node("Cast", ["picture"], ["float"], to=kind.FLOAT),
            node("ReduceMean", ["float"], ["mean"], axes=[1, 2, 3], keepdims=0),
            node("Unsqueeze", ["mean"], ["column"], axes=[1]),
            node("Sub", ["limit", "column"], ["room"]),
            node("Sqrt", ["room"], ["root"]),  # of a negative number
            node("Mul", ["root", "zero"], ["nothing"]),
            node("Add", ["nothing", "bias"], ["logits"]),
        ],
        "odd",
        [onnx.helper.make_tensor_value_info("picture", kind.UINT8, ["N", SIDE, SIDE, 3])],
        [onnx.helper.make_tensor_value_info("logits", kind.FLOAT, ["N", len(LABELS)])],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    folder.mkdir()
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 11)], ir_version=8)
    data = model.SerializeToString()
    (folder / "model.onnx").write_bytes(data)
    artifact = {"path": "model.onnx", "target": "onnx", "precision": "float32", "size": len(data)}
    artifact["sha256"] = hashlib.sha256(data).hexdigest()
    manifest = {"schema": 1, "name": "odd", "version": "1", "labels": LABELS, "artifacts": [artifact]}
    (folder / "bundle.json").write_text(json.dumps({**manifest, "input": {"size": SIDE}}))
    return folder
