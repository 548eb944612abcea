"""HailoRT's Python package of 4.x as far as one network needs it, with a device that $FAKE_HAILO says is here or not.

The file it names says `here`, `absent` or `lost`: found, but without an answer. A .hef has the four bytes that a real
one begins with, and then what it takes, such as `112 112 3`; anything else is no such file.
"""

import os

import numpy as np

__version__ = "4.20.0"


class HailoRTException(Exception):
    pass


class HailoRTInvalidHEFException(HailoRTException):
    pass


class HailoRTTimeout(HailoRTException):
    pass


class FormatType:
    UINT8, FLOAT32 = "uint8", "float32"


def _state():
    with open(os.environ["FAKE_HAILO"]) as file:
        return file.read().strip()


class Device:
    @staticmethod
    def scan():
        return [] if _state() == "absent" else ["0000:01:00.0"]


class HEF:
    def __init__(self, hef_source):
        assert isinstance(hef_source, str)
        with open(hef_source, "rb") as file:
            magic, self.shape = file.read(4), tuple(int(word) for word in file.readline().split() if word.isdigit())
        if magic != b"\x01HEF" or not self.shape:
            raise HailoRTInvalidHEFException("Invalid HEF. See hailort.log for more information")


class _Stream:
    def __init__(self, shape):
        self.shape, self.format = shape, None

    def set_format_type(self, type):
        self.format = type


class _Binding:
    buffer = None

    def set_buffer(self, buffer):
        assert buffer.flags.c_contiguous
        self.buffer = buffer


class Bindings:
    def __init__(self):
        self._input, self._output = _Binding(), _Binding()

    def input(self, name=""):
        return self._input

    def output(self, name=""):
        return self._output


class ConfiguredInferModel:
    def __init__(self, model):
        self._model = model

    def create_bindings(self, input_buffers=None, output_buffers=None):
        return Bindings()

    def run(self, bindings, timeout):
        (one,) = bindings
        assert timeout > 0
        picture, logits = one.input().buffer, one.output().buffer
        assert (picture.dtype, picture.shape) == (np.uint8, self._model.input().shape)
        assert (logits.dtype, logits.shape) == (np.float32, self._model.output().shape)
        if _state() != "here":
            raise HailoRTTimeout("Received a timeout - hailort has failed because a timeout had occurred")
        logits[...] = picture.mean() + np.arange(logits.size, dtype=np.float32)


class InferModel:
    input_names, output_names = ("model/input_layer1",), ("model/fc1",)

    def __init__(self, shape):
        self._input, self._output = _Stream(shape), _Stream((7,))

    def input(self, name=""):
        return self._input

    def output(self, name=""):
        return self._output

    def configure(self):
        assert (self._input.format, self._output.format) == (FormatType.UINT8, FormatType.FLOAT32)
        return ConfiguredInferModel(self)


class VDevice:
    def __init__(self, params=None, *, device_ids=None):
        self._open = True

    def create_infer_model(self, hef_source, network_name=""):
        if _state() == "busy":
            raise HailoRTException("libhailort failed with error: 74 (HAILO_DEVICE_IN_USE)")
        return InferModel(HEF(hef_source).shape)

    def get_physical_devices_ids(self):
        assert self._open
        return Device.scan()

    def release(self):
        self._open = False
