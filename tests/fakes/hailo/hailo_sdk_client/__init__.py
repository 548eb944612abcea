"""Hailo's Dataflow Compiler 3.x as far as one network needs it: the calls in their order, and what they take."""

import re

import numpy as np
import onnx

COMMANDS = re.compile(
    r"normalization1 = normalization\(\[([^]]+)\], \[([^]]+)\]\)\n"
    r"model_optimization_config\(calibration, batch_size=(\d+), calibset_size=(\d+)\)\n"
)


class ClientRunner:
    def __init__(self, hw_arch=None, har=None):
        assert hw_arch == "hailo8l"
        self._side = self._wanted = self._optimized = None

    def translate_onnx_model(
        self, model=None, net_name="model", start_node_names=None, end_node_names=None, net_input_shapes=None
    ):
        graph = onnx.load(model).graph
        (picture,) = graph.input
        batch, channels, height, width = (d.dim_value for d in picture.type.tensor_type.shape.dim)
        assert (batch, channels, height) == (1, 3, width)
        assert picture.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
        assert graph.node[0].op_type in ("Conv", "Pad")
        assert re.fullmatch(r"\w+", net_name)
        self._side = width
        return {}, {}

    def load_model_script(self, model_script):
        assert self._side
        with open(model_script) as file:
            mean, std, size, self._wanted = COMMANDS.fullmatch(file.read()).groups()
        assert [len(values.split(",")) for values in (mean, std)] == [3, 3]
        assert 1 <= int(size) <= int(self._wanted)

    def optimize(self, calib_data, data_type="auto"):
        assert calib_data.dtype == np.float32
        assert calib_data.shape == (int(self._wanted), self._side, self._side, 3)
        assert calib_data.max() > 100  # in grey levels: the normalisation is compiled in
        self._optimized = True

    def compile(self):
        assert self._optimized
        return b"\x01HEF" + f"{self._side} {self._side} 3\n".encode()
