"""OpenVINO's Python API of 2025 with devices that no test machine has: $FAKE_OPENVINO lists them as `CPU GPU.0 !NPU`.

One behind `!` is seen and takes no graph. The real package runs in other tests, on its processor plug-in; this one
holds the calls that other devices see, and AUTO's documented order: the list that it was given, else GPU, then CPU.
"""

import os

import numpy as np

__version__ = "2025.3.0"
SIZE = 112


def get_version():
    return "2025.3.0-fake"


class Type:
    u8 = "u8"


def _devices():
    return [name.lstrip("!") for name in os.environ["FAKE_OPENVINO"].split()]


def _works(device):
    return device in os.environ["FAKE_OPENVINO"].split()


def _matching(asked):
    return [name for name in _devices() if name == asked or name.split(".")[0] == asked]


class _Rank:
    def get_length(self):
        return 4


class _Shape(tuple):
    rank = _Rank()


class _ElementType(str):
    def get_type_name(self):
        return str(self)


class Port:
    element_type = _ElementType("u8")
    shape = partial_shape = _Shape((1, SIZE, SIZE, 3))


class Model:
    inputs = (Port(),)

    def __init__(self, results=None, parameters=None, name=""):
        self.results = results

    def is_dynamic(self):
        return False


class Tensor:
    def __init__(self, data):
        self.data = data


class InferRequest:
    def infer(self, inputs):
        picture = inputs[0]
        assert picture.shape == (1, SIZE, SIZE, 3)
        assert picture.dtype == np.uint8
        self._answer = np.linspace(-3, 3, 7, dtype=np.float32)[None] + picture.mean() / 100

    def get_output_tensor(self, index):
        assert index == 0
        return Tensor(self._answer)


class CompiledModel:
    inputs = Model.inputs

    def __init__(self, device):
        self._device = device

    def create_infer_request(self):
        return InferRequest()

    def get_property(self, name):
        assert name == "EXECUTION_DEVICES"
        return [self._device]


class Core:
    @property
    def available_devices(self):
        return _devices()

    def read_model(self, model):
        assert os.path.isfile(model)
        return Model()

    def compile_model(self, model, device_name, config):
        assert isinstance(model, Model)
        if not device_name.startswith("AUTO"):
            assert ("INFERENCE_NUM_THREADS" in config) == (device_name == "CPU"), "another plug-in refuses these"
            for device in _matching(device_name):
                if _works(device):
                    return CompiledModel(device)
            raise RuntimeError("Exception from src/inference\n[GPU] out of resources")
        assert config["ENABLE_STARTUP_FALLBACK"] is False, "it would begin on the processor, and change unseen"
        listed = device_name.partition(":")[2].split(",") if ":" in device_name else ["GPU", "CPU"]
        for asked in listed:
            for device in _matching(asked):
                if _works(device):
                    return CompiledModel(device)
        raise RuntimeError("no device of AUTO takes it")
