"""Builds a TensorRT engine through TensorRT's Python bindings. Self-contained: Python 3.6, tensorrt 8.2 or newer.

Run in a process of its own, because TensorRT without a GPU driver ends the process, and because on a Jetson Nano its
bindings belong to the system's Python 3.6: `python builder.py version`, `capability`, or `build SPEC.json`. Prints one
line of JSON: what was asked for, or {"error": …}.
"""

import ctypes
import json
import sys
from typing import Any, Dict, List

CAPABILITY_MAJOR, CAPABILITY_MINOR = 75, 76
"""CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR of the CUDA driver's interface."""


def main(words: List[str]) -> int:
    """Do what the words say; returns the exit code."""
    try:
        answer = None  # type: Any
        if words[0] == "version":
            answer = str(import_tensorrt().__version__)
        elif words[0] == "capability":
            answer = capability()
        else:
            with open(words[1]) as file:
                answer = build(import_tensorrt(), json.load(file))
    except ImportError as error:
        answer = {"error": "tensorrt is not installed for this Python ({})".format(error)}
    except Exception as error:  # one sentence for the parent, whatever the bindings raise
        answer = {"error": str(error).strip().split("\n")[0] or type(error).__name__}
    print(json.dumps(answer))
    return 1 if isinstance(answer, dict) and "error" in answer else 0


def import_tensorrt() -> Any:
    """The bindings; raises ImportError."""
    import tensorrt

    return tensorrt


def capability() -> str:
    """Compute capability of the first GPU, such as 5.3, asked of the driver; raises RuntimeError without one."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        raise RuntimeError("no NVIDIA driver: libcuda.so.1 cannot be loaded")
    device, value = ctypes.c_int(), ctypes.c_int()
    if cuda.cuInit(0) or cuda.cuDeviceGet(ctypes.byref(device), 0):
        raise RuntimeError("the NVIDIA driver finds no GPU")
    numbers = []
    for attribute in (CAPABILITY_MAJOR, CAPABILITY_MINOR):
        if cuda.cuDeviceGetAttribute(ctypes.byref(value), attribute, device):
            raise RuntimeError("the NVIDIA driver does not tell the GPU's compute capability")
        numbers.append(value.value)
    return "{}.{}".format(*numbers)


def build(trt: Any, spec: Dict[str, Any]) -> Dict[str, Any]:
    """Parse an ONNX file, build and write the engine; its size in bytes. Raises RuntimeError with what TensorRT says.

    Args:
        trt: the bindings, 8.2 to 10.
        spec: onnx and engine (paths), precision (float16 or float32), workspace_mib.
    """
    logger = trt.Logger(trt.Logger.WARNING)
    builder = trt.Builder(logger)
    # Needed up to 8.x; 10 knows explicit batches only and keeps the flag without a meaning.
    explicit = getattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)
    network = builder.create_network(0 if explicit is None else 1 << int(explicit))
    parser = trt.OnnxParser(network, logger)
    with open(spec["onnx"], "rb") as file:
        if not parser.parse(file.read()):
            reasons = [parser.get_error(i).desc() for i in range(parser.num_errors)]
            raise RuntimeError("TensorRT cannot read the graph: " + "; ".join(reasons))
    config = builder.create_builder_config()
    scratch = int(spec["workspace_mib"]) << 20
    if hasattr(config, "set_memory_pool_limit"):  # 8.4 and newer
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, scratch)
    else:
        config.max_workspace_size = scratch
    if spec["precision"] == "float16":
        if not hasattr(trt.BuilderFlag, "FP16"):
            raise RuntimeError("this TensorRT builds strongly typed networks only; up to version 10 has the FP16 flag")
        config.set_flag(trt.BuilderFlag.FP16)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise RuntimeError("TensorRT did not build the engine; out of memory, or see its messages above")
    with open(spec["engine"], "wb") as file:
        file.write(plan)
    return {"bytes": int(plan.nbytes)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
