"""ONNX Runtime on the CPU. Self-contained: Python 3.6 or newer, numpy and onnxruntime (1.10 or newer)."""

import ctypes
import os
import sys
from contextlib import contextmanager
from typing import Any, Dict, Iterator

import numpy as np

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of glibc's malloc.h; see mallopt(3)."""
BLOCK = 1 << 17
"""Bytes: what glibc begins with, before it has learnt from blocks that were freed that others will be as large."""
MOST_BLOCK = 32 << 20 if sys.maxsize > 1 << 32 else 1 << 19
"""The most that it learns; it stops learning once it was told."""


class OrtBackend:
    """A graph with one NHWC input, uint8 or float32 of 0..255, and one float32 output, run on the CPU."""

    def __init__(self, session: Any, version: str, threads: int) -> None:
        self._session = session
        self._version = version
        self._threads = threads
        self._input = session.get_inputs()[0]
        self._output = session.get_outputs()[0].name

    def infer(self, batch: Any) -> Any:
        """Logits float32 (N, classes) of uint8 (N, S, S, 3); a graph of batch 1 is run once for each picture."""
        name = self._input.name
        batch = batch if self._input.type == "tensor(uint8)" else batch.astype(np.float32)
        if self._input.shape[0] == 1 and len(batch) != 1:
            rows = [self._session.run([self._output], {name: batch[i : i + 1]})[0] for i in range(len(batch))]
            return np.concatenate(rows) if rows else np.zeros((0, 0), np.float32)
        return self._session.run([self._output], {name: batch})[0]

    def describe(self) -> Dict[str, Any]:
        """What runs where."""
        return {
            "backend": "onnxruntime",
            "version": self._version,
            "device": "CPU",
            "threads": self._threads,
            "input": [self._input.type, *self._input.shape],
        }

    def close(self) -> None:
        """Free the session."""
        self._session = None


def open(artifact: str, options: Dict[str, Any]) -> OrtBackend:
    """Load a .onnx file.

    Options: `threads` (int, default 1). Raises ImportError without onnxruntime, ValueError for an unreadable graph or
    one that does not take a single picture batch of four dimensions.
    """
    threads = int(options.get("threads", 1))
    session = open_session(artifact, threads)
    inputs = session.get_inputs()
    kinds = ("tensor(uint8)", "tensor(float)")
    if len(inputs) != 1 or inputs[0].type not in kinds or len(inputs[0].shape) != 4:
        raise ValueError("the graph does not take one picture batch, uint8 or float32")
    import onnxruntime

    return OrtBackend(session, onnxruntime.__version__, threads)


def open_session(graph: Any, threads: int) -> Any:
    """ONNX Runtime's session of a .onnx file, or of its bytes, on the CPU; errors as `open`."""
    # From 1.29 on the wheel writes a device id into the user's cache unless told so before the import.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    settings.log_severity_level = 3
    settings.enable_mem_pattern = False  # a block for each shape of input: of YuNet's many, 3 MiB
    try:
        with _large_blocks_given_back():
            return onnxruntime.InferenceSession(graph, settings, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises classes of its own, none of them a standard kind
        raise ValueError(str(error).split("\n")[0]) from error


@contextmanager
def _large_blocks_given_back() -> Iterator[None]:
    """Meanwhile, glibc gives a freed block of BLOCK bytes and more back to the system, instead of keeping it.

    While a graph is loaded each of its weights is in memory as it was stored, and then as the kernels want it. What is
    kept of the first is never used again: 10 MB of the default int8 graph, 67 of the float one. Elsewhere it is.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # musl, or no libc at all
        yield
        return
    mallopt(M_MMAP_THRESHOLD, BLOCK)
    try:
        yield
    finally:
        mallopt(M_MMAP_THRESHOLD, MOST_BLOCK)
        mallopt(M_TRIM_THRESHOLD, 2 * MOST_BLOCK)
