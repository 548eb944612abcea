"""The Inference Engine's Python API of 2021.4, with a stick that the file $FAKE_MYRIAD says is here or absent.

The real 2021.4.2 runs in other tests, on its processor plug-in; this one holds the calls that only MYRIAD sees.
"""

import os

import numpy as np


def _here():
    with open(os.environ["FAKE_MYRIAD"]) as file:
        return file.read().strip() == "here"


def get_version():
    return "2021.4.2-3976-fake"


class DataPtr:
    shape = (1, 8, 8, 3)


class InputInfoPtr:
    def __init__(self):
        self.input_data = DataPtr()
        self.precision = "FP32"


class IENetwork:
    def __init__(self):
        self.input_info = {"pictures": InputInfoPtr()}


class ExecutableNetwork:
    def infer(self, inputs=None):
        ((name, picture),) = inputs.items()
        assert name == "pictures"
        assert picture.shape == (1, 8, 8, 3)
        assert picture.dtype == np.uint8
        if not _here():
            raise RuntimeError("Failed to queue inference: NC_ERROR")
        return {"logits": np.full((1, 7), picture.mean(), np.float16)}


class IECore:
    def read_network(self, model, weights="", init_from_buffer=False):
        assert os.path.isfile(model)
        return IENetwork()

    def load_network(self, network, device_name, config=None, num_requests=1):
        assert device_name == "MYRIAD"
        assert network.input_info["pictures"].precision == "U8"
        assert not config, "the plug-in refuses the processor's settings"
        if not _here():
            raise RuntimeError("Can not init Myriad device: NC_ERROR")
        return ExecutableNetwork()
