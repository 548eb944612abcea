"""OpenVINO 2021.4's Inference Engine, the last that drives the NCS2.

Self-contained: Python 3.6 to 3.9, numpy, openvino 2021.
"""

from typing import Any, Dict

import numpy as np


class InferenceEngineBackend:
    """A graph with one uint8 NHWC input and one output of logits, loaded on one device."""

    def __init__(self, loaded: Any, name: str, shape: Any, version: str, device: str) -> None:
        self._loaded = loaded
        self._name, self._shape = name, list(shape)
        self._version, self._device = version, device

    def infer(self, batch: Any) -> Any:
        """Logits float32 (N, classes) of uint8 (N, S, S, 3), one picture at a time."""
        rows = []
        for i in range(len(batch)):
            answer = self._loaded.infer({self._name: batch[i : i + 1]})
            rows.append(np.array(next(iter(answer.values())), np.float32).reshape(1, -1))
        return np.concatenate(rows) if rows else np.zeros((0, 0), np.float32)

    def describe(self) -> Dict[str, Any]:
        """What runs where."""
        return {
            "backend": "openvino-2021",
            "version": self._version,
            "device": self._device,
            "input": ["u8", *self._shape],
        }

    def close(self) -> None:
        """Let go of the device."""
        self._loaded = None


def open(artifact: str, options: Dict[str, Any]) -> InferenceEngineBackend:
    """Load a .onnx file of opset 13 at most, or an IR of version 10.

    Options: `device` (default CPU; MYRIAD is the NCS2). Raises ImportError without openvino 2021 or a library that the
    device's plug-in needs, ValueError for an unreadable graph or one of another kind, LookupError when no such device
    is plugged in.
    """
    from openvino.inference_engine import IECore, get_version

    device = str(options.get("device", "CPU"))
    core = IECore()
    try:
        network = core.read_network(artifact)
    except RuntimeError as error:
        raise ValueError(_reason(error))
    inputs = network.input_info
    name = next(iter(inputs))
    shape = inputs[name].input_data.shape
    if len(inputs) != 1 or len(shape) != 4 or shape[3] != 3:
        raise ValueError("the graph does not take one picture batch")
    inputs[name].precision = "U8"
    # Without this a processor with bfloat16 would compute in it, and disagree with every other backend.
    settings = {"ENFORCE_BF16": "NO", "CPU_THREADS_NUM": str(options.get("threads", 1))} if device == "CPU" else {}
    try:
        loaded = core.load_network(network, device, settings)
    except RuntimeError as error:
        reason = _reason(error)
        if "Cannot load library" in reason:  # the plug-in's own libraries, such as libusb
            raise ImportError(reason)
        # What the plug-in says without a stick, and where the host has no rights to it.
        if "NC_ERROR" in reason or "Can not init Myriad device" in reason:
            raise LookupError("no {} device answers ({})".format(device, reason))
        raise ValueError(reason)
    return InferenceEngineBackend(loaded, name, shape, str(get_version()), device)


def _reason(error: BaseException) -> str:
    """The last line of the library's message that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
