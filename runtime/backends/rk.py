"""Rockchip NPU: rknn-toolkit-lite2 on the board, or rknn-toolkit2's simulator on a PC, which says so.

Self-contained: Python 3.8, numpy, and rknnlite or rknn.
"""

from typing import Any, Dict

import numpy as np


class RknnBackend:
    """A network with one uint8 NHWC input and one output of logits, on the NPU or simulated."""

    def __init__(self, runtime: Any, about: Dict[str, Any]) -> None:
        self._runtime, self._about = runtime, about

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
        """What runs where; `simulated` is there, and true, when no NPU does."""
        return dict(self._about)

    def close(self) -> None:
        """Let go of the NPU; calling it twice is harmless."""
        if self._runtime is not None:
            self._runtime.release()
        self._runtime = None


def open(artifact: str, options: Dict[str, Any]) -> RknnBackend:
    """Load a .rknn file on the board's NPU.

    Options: `simulate`, a table, compiles an ONNX graph and runs it in the toolkit's simulator instead; see `simulate`.
    Raises ImportError without the library, ValueError for a file it cannot read, LookupError when no NPU answers.
    """
    if options.get("simulate"):
        return simulate(artifact, options["simulate"])
    from rknnlite.api import RKNNLite

    runtime = RKNNLite(verbose=False)
    if runtime.load_rknn(artifact):
        raise ValueError("rknnlite cannot read the file")
    if runtime.init_runtime():
        runtime.release()
        raise LookupError("no Rockchip NPU answers: no board, no rknpu driver, or a file for another chip")
    version = str(runtime.get_sdk_version()).strip().split("\n")[-1]
    return RknnBackend(runtime, {"backend": "rknn", "version": version, "device": "NPU"})


def simulate(graph: str, settings: Dict[str, Any]) -> RknnBackend:
    """Compile an ONNX graph and start its simulator, which does not run finished .rknn files.

    Args:
        graph: takes a normalised float32 NCHW picture.
        settings: `chip`; `mean` and `std` of R, G and B in grey levels; `dataset`, a file that names the calibration
            pictures (.npy, uint8 NCHW); `out`, where the .rknn file goes, or nothing.

    Raises ImportError without rknn-toolkit2, RuntimeError when a step fails.
    """
    from rknn.api import RKNN

    toolkit = RKNN(verbose=False)
    toolkit.config(mean_values=[settings["mean"]], std_values=[settings["std"]], target_platform=settings["chip"])
    steps = [
        ("load_onnx", lambda: toolkit.load_onnx(graph)),
        ("build", lambda: toolkit.build(do_quantization=True, dataset=settings["dataset"])),
        ("export_rknn", lambda: toolkit.export_rknn(settings["out"]) if settings.get("out") else 0),
        ("init_runtime", toolkit.init_runtime),  # without a target: the simulator
    ]
    for step, run in steps:
        if run():
            raise RuntimeError("rknn-toolkit2 gave up at {}; its messages are above".format(step))
    about = {"backend": "rknn-toolkit2", "version": _version(), "device": "simulator of " + settings["chip"]}
    about["simulated"] = True
    return RknnBackend(toolkit, about)


def _version() -> str:
    from importlib.metadata import version

    return version("rknn-toolkit2")
