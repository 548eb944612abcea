"""OpenVINO through its modern API (2022.1 or newer). Self-contained: Python 3.6, numpy and openvino."""

from typing import Any, Dict

import numpy as np


class OpenVinoBackend:
    """A graph with one uint8 NHWC input and one output of logits, compiled for one device."""

    def __init__(self, compiled: Any, version: str, device: str, threads: int) -> None:
        self._request = compiled.create_infer_request()
        self._input = compiled.inputs[0]
        self._version = version
        self._device = device
        self._threads = threads

    def infer(self, batch: Any) -> Any:
        """Logits float32 (N, classes) of uint8 (N, S, S, 3); a graph of batch 1 is run once for each picture."""
        rows = []
        for i in range(len(batch)):
            self._request.infer({0: np.ascontiguousarray(batch[i : i + 1])})
            rows.append(np.array(self._request.get_output_tensor(0).data, np.float32))  # a copy: the buffer is reused
        return np.concatenate(rows) if rows else np.zeros((0, 0), np.float32)

    def describe(self) -> Dict[str, Any]:
        """What runs where."""
        return {
            "backend": "openvino",
            "version": self._version,
            "device": self._device,
            "threads": self._threads,
            "input": [self._input.element_type.get_type_name(), *self._input.shape],
        }

    def close(self) -> None:
        """Free the compiled graph."""
        self._request = None


def open(artifact: str, options: Dict[str, Any]) -> OpenVinoBackend:
    """Load an IR (.xml with its .bin beside it) or a .onnx file.

    Options: `threads` (int, default 1), `device` (default CPU), `cache` (folder for compiled graphs).
    Raises ImportError without openvino, LookupError where it finds no such device, ValueError for an unreadable graph
    or one that does not take a single uint8 input of four dimensions, RuntimeError when the device does not take it.
    """
    import openvino

    threads, device = int(options.get("threads", 1)), str(options.get("device", "CPU"))
    core = openvino.Core()
    # Without this an absent GPU is reported as a graph it does not take. A second card is GPU.1.
    if device[:3] in ("GPU", "NPU") and not any(known.startswith(device[:3]) for known in core.available_devices):
        raise LookupError("OpenVINO finds no {}, only {}".format(device, ", ".join(core.available_devices)))
    try:
        model = core.read_model(artifact)
    except RuntimeError as error:
        raise ValueError(_reason(error))
    if len(model.inputs) != 1 or model.inputs[0].element_type != openvino.Type.u8:
        raise ValueError("the graph does not take one uint8 picture batch")
    if model.inputs[0].partial_shape.rank.get_length() != 4 or model.is_dynamic():
        raise ValueError("the graph's input is not a picture batch of fixed size")
    # On a processor with bfloat16 the plug-in would compute in it, and disagree with every other backend.
    settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
    if device != "CPU":
        settings = {"PERFORMANCE_HINT": "LATENCY"}
    if options.get("cache"):
        settings["CACHE_DIR"] = str(options["cache"])
    try:
        compiled = core.compile_model(model, device, settings)
    except RuntimeError as error:
        raise RuntimeError("{} does not take the graph: {}".format(device, _reason(error)))
    return OpenVinoBackend(compiled, openvino.get_version(), device, threads)


def _reason(error: BaseException) -> str:
    """The last line of OpenVINO's message; those before name its source files."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
