"""TensorFlow Lite, on the CPU or through an accelerator's delegate.

Self-contained: Python 3.6, numpy, and ai_edge_litert or tflite_runtime.
"""

import ctypes
import os
import sys
from typing import Any, Dict, Tuple

import numpy as np


class LiteBackend:
    """A file with one int8, uint8 or float32 NHWC input and one output of logits."""

    def __init__(self, interpreter: Any, library: Tuple[str, str], threads: int, delegate: str) -> None:
        self._interpreter = interpreter
        self._library, self._threads, self._delegate = library, threads, delegate
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
            "library": self._library[0],
            "version": self._library[1],
            "device": self._delegate or "CPU",
            "threads": self._threads,
            "input": [np.dtype(self._input["dtype"]).name, *(int(n) for n in self._input["shape"])],
        }

    def close(self) -> None:
        """Free the interpreter."""
        self._interpreter = None


def open(artifact: str, options: Dict[str, Any]) -> LiteBackend:
    """Load a .tflite file.

    Options: `threads` (int, default 1), `delegate` (a shared library such as libedgetpu.so.1), `delegate_options`.
    Raises ImportError without either library, LookupError when the delegate or its device is absent, ValueError for an
    unreadable file, one that needs a delegate, or one that does not take one picture.
    """
    module, library = _library()
    threads, delegate = int(options.get("threads", 1)), str(options.get("delegate", ""))
    # The delegate first: when it does not pair with this library the process ends here, before any model is read.
    delegates = [_delegate(module, library, delegate, options.get("delegate_options", {}))] if delegate else None
    with _Quiet():  # it greets on standard error
        try:
            interpreter = module.Interpreter(model_path=artifact, num_threads=threads, experimental_delegates=delegates)
            interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise ValueError(_reason(str(error)))
    details = interpreter.get_input_details()
    if len(details) != 1 or len(details[0]["shape"]) != 4 or details[0]["shape"][-1] != 3:
        raise ValueError("the graph does not take one NHWC picture")
    return LiteBackend(interpreter, library, threads, delegate)


def _delegate(module: Any, library: Tuple[str, str], name: str, options: Dict[str, str]) -> Any:
    """The delegate; raises LookupError saying whether its library or its device is absent."""
    try:
        loaded = ctypes.CDLL(name)
    except OSError as error:
        raise LookupError("the library {} cannot be loaded ({})".format(name, error))
    if not hasattr(loaded, "tflite_plugin_create_delegate"):
        raise LookupError("the library {} is no TFLite delegate".format(name))
    # For whoever reads our last words: see `OPENING` in worker_client.py.
    sys.stderr.write("opening: {} does not pair with the {} {} that loads it\n".format(name, *library))
    sys.stderr.flush()
    try:
        return module.load_delegate(name, options)
    except ValueError as error:  # the same for every reason; the library itself is there
        raise LookupError("{} finds no device ({})".format(name, _reason(str(error))))


def _reason(message: str) -> str:
    """One line, and the way out where a file was compiled for an accelerator."""
    line = message.strip().split("\n")[0]
    if "edgetpu-custom-op" in message:
        return "the file was compiled for the Edge TPU and needs its delegate (" + line + ")"
    return line


def _library() -> Tuple[Any, Tuple[str, str]]:
    """The interpreter's module, and its library's name and version; raises ImportError."""
    try:
        from ai_edge_litert import interpreter
    except ImportError:
        from tflite_runtime import __version__, interpreter

        return interpreter, ("tflite_runtime", str(__version__))
    try:
        from importlib.metadata import version

        return interpreter, ("ai_edge_litert", version("ai-edge-litert"))
    except Exception:  # Python before 3.8, or a build without metadata: the version is for people only
        return interpreter, ("ai_edge_litert", "unknown")


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
