"""Bundles with graphs so small that a test knows their answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from fer_edge.bundle import describe_file

SIDE = 112


def small_bundle(
    folder: Path, labels: Sequence[str], always: Sequence[float], last: str = "", trace: float = 0.001
) -> Path:
    """A bundle whose graph gives the same logits for every picture, but for a trace of its brightness.

    Args:
        last: an operator that the graph ends in, such as Softmax.
        trace: how much a grey level counts for each label more than for the one before it.
    """
    from onnx import TensorProto, helper, save

    def constant(name: str, values: Sequence[float], kind: int = TensorProto.FLOAT) -> object:
        return helper.make_tensor(name, kind, [len(values)], values)

    count = len(labels)
    nodes = [
        helper.make_node("Cast", ["image"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["real"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "axis"], ["column"]),
        helper.make_node("Mul", ["column", "trace"], ["bright"]),
        helper.make_node("Add", ["bright", "always"], ["raw" if last else "logits"]),
    ]
    if last:
        nodes.append(helper.make_node(last, ["raw"], ["logits"], **({} if last == "Sigmoid" else {"axis": 1})))
    given = helper.make_tensor_value_info("image", TensorProto.UINT8, [1, SIDE, SIDE, 3])
    wanted = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, count])
    slopes = [trace * (i - count / 2) for i in range(count)]
    constants = [constant("axis", [1], TensorProto.INT64), constant("trace", slopes), constant("always", list(always))]
    graph = helper.make_graph(nodes, "small", [given], [wanted], constants)
    folder.mkdir(parents=True)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), folder / "model.onnx")
    digest, size = describe_file(folder / "model.onnx")
    artifact = {"path": "model.onnx", "target": "onnx", "precision": "float32", "sha256": digest, "size": size}
    about = {"name": "small", "version": "1", "labels": list(labels), "input": {"size": SIDE}, "artifacts": [artifact]}
    (folder / "bundle.json").write_text(json.dumps({"schema": 1, **about}))
    return folder
