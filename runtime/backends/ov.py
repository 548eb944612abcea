"""OpenVINO through its modern API (2022.1 or newer). Self-contained: Python 3.6, numpy and openvino."""

from typing import Any, Dict, List, Sequence

import numpy as np

AUTO = "AUTO"


class OpenVinoBackend:
    """A graph with one uint8 NHWC input and one output of logits, compiled for one device."""

    def __init__(self, compiled: Any, about: Dict[str, Any]) -> None:
        self._request = compiled.create_infer_request()
        self._input = compiled.inputs[0]
        self._about = about

    def infer(self, batch: Any) -> Any:
        """Logits float32 (N, classes) of uint8 (N, S, S, 3); a graph of batch 1 is run once for each picture."""
        rows = []
        for i in range(len(batch)):
            self._request.infer({0: np.ascontiguousarray(batch[i : i + 1])})
            rows.append(np.array(self._request.get_output_tensor(0).data, np.float32))  # a copy: the buffer is reused
        return np.concatenate(rows) if rows else np.zeros((0, 0), np.float32)

    def describe(self) -> Dict[str, Any]:
        """What runs where: `device` is what OpenVINO says that it executes on; of AUTO's choice, `asked` is who chose
        it, and `passed_over` what was to be taken before."""
        return dict(self._about, input=[self._input.element_type.get_type_name(), *self._input.shape])

    def close(self) -> None:
        """Free the compiled graph."""
        self._request = None


def open(artifact: str, options: Dict[str, Any]) -> OpenVinoBackend:
    """Load an IR (.xml with its .bin beside it) or a .onnx file.

    Options: `threads` (int, default 1), `device` (default CPU; AUTO or AUTO:GPU,CPU leaves the choice to OpenVINO),
    `cache` (folder for compiled graphs).
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
    try:
        compiled = core.compile_model(model, device, _settings(device, threads, str(options.get("cache") or "")))
    except RuntimeError as error:
        raise RuntimeError("{} does not take the graph: {}".format(device, _reason(error)))
    about = {"backend": "openvino", "version": openvino.get_version(), "threads": threads}
    return OpenVinoBackend(compiled, dict(about, **_where(compiled, device, core.available_devices)))


def _settings(device: str, threads: int, cache: str) -> Dict[str, Any]:
    """Properties for compiling. AUTO is to choose once: it would begin on the processor and change unseen."""
    settings = {"PERFORMANCE_HINT": "LATENCY"}  # type: Dict[str, Any]
    # On a processor with bfloat16 the plug-in would compute in it, and disagree with every other backend.
    processor = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    if device == "CPU":
        settings.update(processor)
    elif device.startswith(AUTO):
        once = {"ENABLE_STARTUP_FALLBACK": False, "ENABLE_RUNTIME_FALLBACK": False}
        settings.update(once, DEVICE_PROPERTIES={"CPU": processor})
    if cache:
        settings["CACHE_DIR"] = cache
    return settings


def _where(compiled: Any, asked: str, visible: Sequence[str]) -> Dict[str, str]:
    """`device`, and of AUTO `asked` and, where there is any, `passed_over`."""
    try:
        executing = [str(name) for name in compiled.get_property("EXECUTION_DEVICES")]
    except RuntimeError:  # before 2022.3 it could not be asked; a plain device is the one that was compiled for
        executing = [] if asked.startswith(AUTO) else [asked]
    told = {"device": ", ".join(executing) or "unknown"}
    if not asked.startswith(AUTO):
        return told
    passed = _passed_over(asked, executing, visible)
    return dict(told, asked=asked, **({"passed_over": ", ".join(passed)} if passed else {}))


def _passed_over(asked: str, executing: Sequence[str], visible: Sequence[str]) -> List[str]:
    """What AUTO was to take first: what its own list names before, or without a list the GPUs (its documented order:
    GPU, then CPU; no NPU is in it)."""
    kinds = [name.split(".")[0] for name in executing]
    listed = [name for name in asked[len(AUTO) + 1 :].split(",") if name]
    order = [name for name in listed if not name.startswith("-")]
    if order:
        taken = [i for i, name in enumerate(order) if name in executing or name in kinds]
        return order[: min(taken)] if taken else order
    unwanted = "GPU" in kinds or "-GPU" in listed
    return [] if unwanted else [name for name in visible if name.startswith("GPU")]


def _reason(error: BaseException) -> str:
    """The last line of OpenVINO's message; those before name its source files."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
