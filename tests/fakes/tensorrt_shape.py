"""What TensorRT's builder interface has in common from 8.2 to 10; each version's module takes its own part of it.

An attribute that a release does not have is absent here too, so that calling it fails as it would on the board.
"""

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
