"""What TensorRT's builder interface has in common from 8.2 to 10; each version's module takes its own part of it.

An attribute that a release does not have is absent here too, so that calling it fails as it would on the board.
"""

import ctypes
import enum
import json


class Logger:
    WARNING = 1

    def __init__(self, severity=WARNING):
        assert severity == self.WARNING


class NetworkDefinitionCreationFlag(enum.IntEnum):
    EXPLICIT_BATCH = 0


class MemoryPoolType(enum.Enum):
    WORKSPACE = 0


class BuilderFlag(enum.Enum):
    FP16 = 0


class HostMemory(bytes):
    @property
    def nbytes(self):
        return len(self)


class _Error:
    def desc(self):
        return "In node 3: unsupported operator Foo"


class OnnxParser:
    def __init__(self, network, logger):
        assert isinstance(logger, Logger)
        self._network = network
        self.num_errors = 0

    def parse(self, data):
        assert isinstance(data, bytes)
        self._network.graph = data
        self.num_errors = 0 if data[:1] != b"!" else 1
        return not self.num_errors

    def get_error(self, index):
        return _Error()


class Network:
    graph = None


class ConfigOld:
    """8.2: a plain attribute, in bytes."""

    __slots__ = ("_flags", "max_workspace_size")

    def __init__(self):
        self._flags = []

    def set_flag(self, flag):
        assert isinstance(flag, BuilderFlag)
        self._flags.append(flag.name)

    def workspace(self):
        return self.max_workspace_size


class ConfigNew:
    """8.4 and newer: memory pools; 10 has no max_workspace_size any more."""

    __slots__ = ("_flags", "_pools")

    def __init__(self):
        self._flags, self._pools = [], {}

    def set_flag(self, flag):
        assert isinstance(flag, BuilderFlag)
        self._flags.append(flag.name)

    def set_memory_pool_limit(self, pool, pool_size):
        assert isinstance(pool, MemoryPoolType)
        self._pools[pool] = pool_size

    def workspace(self):
        return self._pools[MemoryPoolType.WORKSPACE]


def make_builder(config_class, version, explicit_needed):
    class Builder:
        def __init__(self, logger):
            assert isinstance(logger, Logger)

        def create_network(self, flags=0):
            assert flags == 1 or not explicit_needed, "the ONNX parser of 8.x wants an explicit batch"
            return Network()

        def create_builder_config(self):
            return config_class()

        def build_serialized_network(self, network, config):
            if network.graph[:1] == b"?":
                return None
            said = {"version": version, "flags": config._flags, "workspace": config.workspace()}
            return HostMemory(json.dumps(said).encode())

    return Builder


class TensorIOMode(enum.Enum):
    NONE, INPUT, OUTPUT = range(3)


SHAPES = {"pictures": (1, 8, 8, 3), "logits": (1, 7)}


class Context:
    """execute_v2 takes device addresses in the order of the bindings and answers whether it ran."""

    def execute_v2(self, bindings):
        assert [type(b) for b in bindings] == [int, int]
        picture = (ctypes.c_float * 192).from_address(bindings[0])
        row = (ctypes.c_float * 7).from_address(bindings[1])
        row[:] = [sum(picture) / 192 + i for i in range(7)]
        return True


class EngineOld:
    """8.2: numbered bindings."""

    num_bindings = 2

    def binding_is_input(self, index):
        return index == 0

    def get_binding_shape(self, index):
        return list(SHAPES.values())[index]

    def create_execution_context(self):
        return Context()


class EngineNew:
    """8.5 and newer: named tensors; 10 has nothing else."""

    num_io_tensors = 2

    def get_tensor_name(self, index):
        return list(SHAPES)[index]

    def get_tensor_mode(self, name):
        return TensorIOMode.INPUT if name == "pictures" else TensorIOMode.OUTPUT

    def get_tensor_shape(self, name):
        return SHAPES[name]

    def create_execution_context(self):
        return Context()


def make_runtime(engine_class):
    class Runtime:
        def __init__(self, logger):
            assert isinstance(logger, Logger)

        def deserialize_cuda_engine(self, serialized_engine):
            assert isinstance(serialized_engine, bytes)
            return engine_class() if serialized_engine == b"engine" else None

    return Runtime


class CudaRuntime:
    """libcudart's calls over plain memory, counting what is allocated."""

    def __init__(self):
        self.held = {}
        for name in ("cudaMalloc", "cudaMemcpy", "cudaFree", "cudaGetErrorString"):
            setattr(self, name, Call(getattr(self, "_" + name)))

    def _cudaMalloc(self, address, size):
        if size > 1 << 20:
            return 2
        block = ctypes.create_string_buffer(size)
        address._obj.value = ctypes.addressof(block)
        self.held[address._obj.value] = block
        return 0

    def _cudaMemcpy(self, target, source, size, kind):
        assert (target if kind == 1 else source) in self.held
        ctypes.memmove(target, source, size)
        return 0

    def _cudaFree(self, address):
        del self.held[address]
        return 0

    def _cudaGetErrorString(self, code):
        return b"out of memory"


class Call:
    """A ctypes function: called, and told its types."""

    def __init__(self, work):
        self.work, self.argtypes, self.restype = work, None, None

    def __call__(self, *words):
        return self.work(*words)
