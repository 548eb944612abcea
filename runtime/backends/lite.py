"""TensorFlow Lite on the CPU. Self-contained: Python 3.6, numpy, and ai_edge_litert or tflite_runtime."""

import os
from typing import Any, Dict, Tuple

import numpy as np


class LiteBackend:
    """A file with one int8, uint8 or float32 NHWC input and one output of logits."""

    def __init__(self, interpreter: Any, library: str, version: str, threads: int) -> None:
        self._interpreter = interpreter
        self._library, self._version, self._threads = library, version, threads
        self._input = interpreter.get_input_details()[0]
        self._output = interpreter.get_output_details()[0]

    def infer(self, batch: Any) -> Any:
        """Logits float32 (N, classes) of uint8 (N, S, S, 3), one picture at a time.

        An int8 input takes the pixel less 128, an int8 output is brought back to real numbers by its scale.
        """
        rows = []
        for i in range(len(batch)):
            self._interpreter.set_tensor(self._input["index"], self._picture(batch[i : i + 1]))
            self._interpreter.invoke()
            rows.append(self._logits(self._interpreter.get_tensor(self._output["index"])))
        return np.concatenate(rows) if rows else np.zeros((0, 0), np.float32)

    def _picture(self, picture: Any) -> Any:
        if self._input["dtype"] == np.int8:
            return (picture ^ 0x80).view(np.int8)  # in two's complement, flipping the top bit subtracts 128
        return picture.astype(self._input["dtype"])

    def _logits(self, values: Any) -> Any:
        scale, zero = self._output["quantization"]
        if values.dtype == np.float32 or not scale:
            return values.astype(np.float32).reshape(1, -1)
        return ((values.astype(np.float32) - zero) * np.float32(scale)).reshape(1, -1)

    def describe(self) -> Dict[str, Any]:
        """What runs where."""
        return {
            "backend": "tflite",
            "library": self._library,
            "version": self._version,
            "device": "CPU",
            "threads": self._threads,
            "input": [np.dtype(self._input["dtype"]).name, *(int(n) for n in self._input["shape"])],
        }

    def close(self) -> None:
        """Free the interpreter."""
        self._interpreter = None


def open(artifact: str, options: Dict[str, Any]) -> LiteBackend:
    """Load a .tflite file.

    Options: `threads` (int, default 1). Raises ImportError without either library, ValueError for an unreadable file,
    one that needs an accelerator's delegate, or one that does not take one picture.
    """
    make, library, version = _library()
    with _Quiet():  # it greets on standard error
        try:
            interpreter = make(model_path=artifact, num_threads=int(options.get("threads", 1)))
            interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise ValueError(str(error).strip().split("\n")[0])
    details = interpreter.get_input_details()
    if len(details) != 1 or len(details[0]["shape"]) != 4 or details[0]["shape"][-1] != 3:
        raise ValueError("the graph does not take one NHWC picture")
    return LiteBackend(interpreter, library, version, int(options.get("threads", 1)))


def _library() -> Tuple[Any, str, str]:
    """The interpreter class, its library's name and version; raises ImportError."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        from tflite_runtime import __version__
        from tflite_runtime.interpreter import Interpreter

        return Interpreter, "tflite_runtime", str(__version__)
    try:
        from importlib.metadata import version

        return Interpreter, "ai_edge_litert", version("ai-edge-litert")
    except Exception:  # Python before 3.8, or a build without metadata: the version is for people only
        return Interpreter, "ai_edge_litert", "unknown"


class _Quiet:
    """Standard error, the file descriptor, turned away while inside."""

    def __enter__(self) -> None:
        self._kept = os.dup(2)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)

    def __exit__(self, *_: Any) -> None:
        os.dup2(self._kept, 2)
        os.close(self._kept)
