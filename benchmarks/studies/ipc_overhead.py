"""What a worker process costs: the same backend in this process, over a pipe, and through shared memory.

`python -m fer_edge.benchmarks.studies.ipc_overhead`. The graph is a mean over the picture and one matrix product, so
that its own time does not hide the overhead; a crop of 256 x 256 goes through ONNX Runtime in all three.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...export.onnx import import_onnx
from ...runtime.backends import Backend, backend_file, open_backend
from ...runtime.inference.worker_client import RemoteBackend
from .spread import Spread, medians_in_turn

SIDE = 256
WAYS = ("in process", "pipe", "shared memory")


def small_graph(path: Path, side: int = SIDE) -> None:
    """Write an ONNX graph uint8 (1, S, S, 3) -> float32 (1, 7) that does next to nothing; raises MissingExtra."""
    onnx = import_onnx()
    helper, kinds = onnx.helper, onnx.TensorProto
    weights = np.random.default_rng(0).normal(size=(3, 7)).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["picture"], ["real"], to=kinds.FLOAT),
        helper.make_node("ReduceMean", ["real"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("picture", kinds.UINT8, (1, side, side, 3))],
        [helper.make_tensor_value_info("logits", kinds.FLOAT, (1, 7))],
        [onnx.numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    path.write_bytes(model.SerializeToString())


def compare(artifact: Path, side: int = SIDE, rounds: int = 9, calls: int = 300) -> dict[str, list[float]]:
    """Median milliseconds of a call in each round, for each way; the ways take turns in every round."""
    file, options = backend_file("onnxruntime"), {"threads": 1}
    crop = np.random.default_rng(1).integers(0, 256, (1, side, side, 3), np.uint8)
    makers: dict[str, Callable[[], Backend]] = {
        "in process": lambda: open_backend("onnxruntime", artifact, options),
        "pipe": lambda: RemoteBackend(file, artifact, options, share=False),
        "shared memory": lambda: RemoteBackend(file, artifact, options),
    }
    backends = {way: makers[way]() for way in WAYS}
    try:
        return medians_in_turn({way: partial(_infer, backends[way], crop) for way in WAYS}, rounds, calls)
    finally:
        for backend in backends.values():
            backend.close()


def _infer(backend: Backend, crop: NDArray[np.uint8], number: int) -> None:
    backend.infer(crop)


def table(medians: dict[str, list[float]]) -> str:
    """Markdown: milliseconds, and what each way adds, as median and range over the rounds."""
    rows = ["| way | ms a call | added ms, median (range over rounds) |", "|---|---|---|"]
    for way in WAYS:
        added = [m - here for m, here in zip(medians[way], medians["in process"], strict=True)]
        extra = Spread.of(added).told(".3f") if any(added) else "-"
        rows.append(f"| {way} | {statistics.median(medians[way]):.3f} | {extra} |")
    return "\n".join(rows)


def main(argv: list[str] | None = None) -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m fer_edge.benchmarks.studies.ipc_overhead", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    args: Any = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "small.onnx"
        small_graph(graph)
        print(table(compare(graph, rounds=args.rounds)))


if __name__ == "__main__":
    main()
