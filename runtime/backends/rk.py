"""Rockchip NPU through rknn-toolkit-lite2 on the board. Self-contained: Python 3.9, numpy, rknnlite."""

from typing import Any, Dict

import numpy as np


class RknnBackend:
    """A .rknn file with one uint8 NHWC input and one output of logits."""

    def __init__(self, runtime: Any, version: str) -> None:
        self._runtime, self._version = runtime, version

    def infer(self, batch: Any) -> Any:
        """Logits float32 (N, classes) of uint8 (N, S, S, 3), one picture at a time."""
        rows = []
        for i in range(len(batch)):
            answer = self._runtime.inference(inputs=[batch[i : i + 1]], data_format=["nhwc"])
            if answer is None:
                raise RuntimeError("the NPU did not answer")
            rows.append(np.array(answer[0], np.float32).reshape(1, -1))
        return np.concatenate(rows) if rows else np.zeros((0, 0), np.float32)

    def describe(self) -> Dict[str, Any]:
        """What runs where."""
        return {"backend": "rknn", "version": self._version, "device": "NPU"}

    def close(self) -> None:
        """Let go of the NPU; calling it twice is harmless."""
        if self._runtime is not None:
            self._runtime.release()
        self._runtime = None


def open(artifact: str, options: Dict[str, Any]) -> RknnBackend:
    """Load a .rknn file.

    Raises ImportError without rknnlite, ValueError for a file it cannot read, LookupError when no NPU answers.
    """
    from rknnlite.api import RKNNLite

    runtime = RKNNLite(verbose=False)
    if runtime.load_rknn(artifact):
        raise ValueError("rknnlite cannot read the file")
    if runtime.init_runtime():
        runtime.release()
        raise LookupError("no Rockchip NPU answers: no board, no rknpu driver, or a file for another chip")
    return RknnBackend(runtime, str(runtime.get_sdk_version()).strip().split("\n")[-1])
