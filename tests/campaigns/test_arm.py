"""What the ARM campaign compares, without a guest: which graphs, and when it says that they differ."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from fer_edge.bundle import Artifact, Bundle

from campaigns.arm.comparison import FLOAT, INT8, graphs, row, with_tflite

TFLITE = "edgetpu/model_int8.tflite"


def with_artifact(bundle: Bundle, artifact: Artifact) -> Bundle:
    """The bundle with one more artifact, whose file is not there."""
    made = replace(bundle.manifest, artifacts=(*bundle.manifest.artifacts, artifact))
    return Bundle(bundle.folder, made, lazily=True)


def test_every_graph_that_a_processor_runs_is_compared(bundle: Bundle) -> None:
    whole = with_artifact(bundle, Artifact(TFLITE, "edgetpu", "int8", "", 0))
    found = {artifact.path: backend.name for artifact, backend in graphs(whole, ("onnx", "edgetpu"))}
    assert found == {"model.onnx": "ort.py", "onnx/model_int8.onnx": "ort.py", TFLITE: "lite.py"}
    assert [a.path for a, _ in graphs(whole, ("edgetpu",))] == [TFLITE]
    assert with_tflite(str(bundle.folder)) == str(bundle.folder)


def test_a_graph_compiled_for_an_edge_tpu_is_not(bundle: Bundle) -> None:
    compiled = with_artifact(bundle, Artifact(TFLITE, "edgetpu", "int8", "", 0, report={"compiled": True}))
    assert [a.target for a, _ in graphs(compiled, ("onnx", "edgetpu"))] == ["onnx", "onnx"]


def test_what_differs_is_told() -> None:
    here = np.array([[0.0, 2.0, 1.0], [3.0, 0.0, 0.5]])
    there = here + np.array([[0.0, 0.0, 0.1], [0.0, 4.0, 0.0]])
    told = row("mine", Artifact("m.onnx", "onnx", "int8", "", 0), "cortex-a53", here, there)
    assert (told.apart, told.limit, told.equal, told.beside) == (4.0, INT8, 0.5, 1.0)
    assert row("mine", Artifact("m.onnx", "onnx", "float16", "", 0), "cortex-a53", here, here).limit == FLOAT
