"""TensorRT 8.2 to 10 on an NVIDIA GPU. Self-contained: Python 3.6, numpy, tensorrt; the CUDA runtime by ctypes."""

import ctypes
from pathlib import Path
from typing import Any, Dict, List

import numpy as np

CUDA_RUNTIMES = ("libcudart.so", "libcudart.so.12", "libcudart.so.11.0", "libcudart.so.10.2", "libcudart.so.13")
TO_DEVICE, TO_HOST = 1, 2
"""cudaMemcpyKind."""


class TensorRtBackend:
    """An engine with one float32 NHWC input of 0..255 and one float32 output, batch 1."""

    def __init__(self, trt: Any, cuda: "Cuda", engine: Any) -> None:
        self._trt, self._cuda, self._engine = trt, cuda, engine
        self._context = engine.create_execution_context()
        if self._context is None:
            raise RuntimeError("TensorRT made no execution context; out of memory")
        shapes = tensor_shapes(trt, engine)
        if [kind for kind, _ in shapes] != ["input", "output"]:
            raise ValueError("the engine does not take one picture and give one row of logits")
        self._picture = np.zeros(shapes[0][1], np.float32)
        self._logits = np.zeros(shapes[1][1], np.float32)
        self._memory = [cuda.allocate(self._picture.nbytes), cuda.allocate(self._logits.nbytes)]

    def infer(self, batch: Any) -> Any:
        """Logits float32 (N, classes) of uint8 (N, S, S, 3), one picture at a time."""
        rows = []
        for picture in batch:
            self._picture[0] = picture
            self._cuda.copy(self._memory[0], self._picture.ctypes.data, self._picture.nbytes, TO_DEVICE)
            if not self._context.execute_v2([int(m) for m in self._memory]):
                raise RuntimeError("TensorRT did not run the engine")
            self._cuda.copy(self._logits.ctypes.data, self._memory[1], self._logits.nbytes, TO_HOST)
            rows.append(self._logits.reshape(1, -1).copy())
        return np.concatenate(rows) if rows else np.zeros((0, 0), np.float32)

    def describe(self) -> Dict[str, Any]:
        """What runs where."""
        return {
            "backend": "tensorrt",
            "version": str(self._trt.__version__),
            "device": "GPU",
            "input": ["float32", *self._picture.shape],
        }

    def close(self) -> None:
        """Free the GPU's memory; calling it twice is harmless."""
        for address in self._memory:
            self._cuda.free(address)
        self._memory = []
        self._context = self._engine = None


class Cuda:
    """The four calls of the CUDA runtime that are needed."""

    def __init__(self, library: Any) -> None:
        self._library = library
        library.cudaMalloc.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_size_t]
        library.cudaMemcpy.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        library.cudaFree.argtypes = [ctypes.c_void_p]
        library.cudaGetErrorString.restype = ctypes.c_char_p

    def allocate(self, size: int) -> int:
        """Address of `size` bytes on the GPU; raises MemoryError."""
        address = ctypes.c_void_p()
        code = self._library.cudaMalloc(ctypes.byref(address), size)
        if code:
            raise MemoryError(self._words(code))
        return int(address.value or 0)

    def copy(self, target: int, source: int, size: int, kind: int) -> None:
        """Copy and wait; raises RuntimeError, as when the GPU fell off the bus."""
        code = self._library.cudaMemcpy(target, source, size, kind)
        if code:
            raise RuntimeError(self._words(code))

    def free(self, address: int) -> None:
        """Give memory back."""
        self._library.cudaFree(address)

    def _words(self, code: int) -> str:
        return "CUDA: {}".format(self._library.cudaGetErrorString(code).decode())


def open(artifact: str, options: Dict[str, Any]) -> TensorRtBackend:
    """Load an engine that `fer-edge build-engine` built on this device.

    Raises ImportError without tensorrt, LookupError without a GPU, ValueError for an engine of another TensorRT or GPU,
    MemoryError when the GPU has no room.
    """
    import tensorrt as trt

    cuda = Cuda(_cuda_runtime())
    plan = Path(artifact).read_bytes()
    runtime = trt.Runtime(trt.Logger(trt.Logger.WARNING))
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise ValueError("TensorRT {} does not read the engine; build it again".format(trt.__version__))
    return TensorRtBackend(trt, cuda, engine)


def tensor_shapes(trt: Any, engine: Any) -> List[Any]:
    """("input" or "output", shape) of each tensor, in the order of the bindings.

    Named tensors came with 8.5; 10 has nothing else, 8.2 only numbered bindings.
    """
    if hasattr(engine, "num_io_tensors"):
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        modes = [engine.get_tensor_mode(name) for name in names]
        kinds = ["input" if mode == trt.TensorIOMode.INPUT else "output" for mode in modes]
        return [(kinds[i], tuple(engine.get_tensor_shape(name))) for i, name in enumerate(names)]
    kinds = ["input" if engine.binding_is_input(i) else "output" for i in range(engine.num_bindings)]
    return [(kind, tuple(engine.get_binding_shape(i))) for i, kind in enumerate(kinds)]


def _cuda_runtime() -> Any:
    for name in CUDA_RUNTIMES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise LookupError("no CUDA runtime: none of {} can be loaded".format(", ".join(CUDA_RUNTIMES)))
