"""Hailo-8L (Raspberry Pi's AI Kit and AI HAT+) by HailoRT's Python API. Self-contained: numpy and hailo_platform."""

from typing import Any, Dict

import numpy as np

WAIT_MS = 1000


class HailoBackend:
    """A compiled network with one uint8 NHWC input and one output of logits, on one device."""

    def __init__(self, device: Any, model: Any, version: str) -> None:
        self._device, self._model = device, model
        self._configured = model.configure()
        self._bindings = self._configured.create_bindings()
        self._logits = np.empty(model.output().shape, np.float32)
        self._bindings.output().set_buffer(self._logits)
        self._version = version

    def infer(self, batch: Any) -> Any:
        """Logits float32 (N, classes) of uint8 (N, S, S, 3), one picture at a time; a device that does not answer
        within a second raises the vendor's own error."""
        rows = []
        for picture in batch:
            self._bindings.input().set_buffer(np.ascontiguousarray(picture))
            self._configured.run([self._bindings], WAIT_MS)
            rows.append(self._logits.reshape(1, -1).copy())  # the buffer is used again
        return np.concatenate(rows) if rows else np.zeros((0, 0), np.float32)

    def describe(self) -> Dict[str, Any]:
        """What runs where; `device` is its place on the bus."""
        places = ", ".join(str(place) for place in self._device.get_physical_devices_ids())
        shape = [int(side) for side in self._model.input().shape]
        return {"backend": "hailo", "version": self._version, "device": places, "input": ["u8", 1, *shape]}

    def close(self) -> None:
        """Let go of the device; calling it twice is harmless."""
        if self._device is not None:
            self._bindings = self._configured = None
            self._device.release()
        self._device = None


def open(artifact: str, options: Dict[str, Any]) -> HailoBackend:
    """Load a .hef file, whose input is uint8 (S, S, 3): the normalisation was compiled into it.

    Options: none. Raises ImportError without HailoRT, LookupError where it finds no device, ValueError for a file that
    it cannot read or that takes no picture, RuntimeError when the device does not take it.
    """
    import hailo_platform as hailo

    if not hailo.Device.scan():
        raise LookupError("HailoRT finds no device")
    try:
        hailo.HEF(artifact)
    except hailo.HailoRTException as error:
        raise ValueError(str(error).split("\n")[0])
    device = hailo.VDevice()
    try:
        model = device.create_infer_model(artifact)
        _check(model)
        model.input().set_format_type(hailo.FormatType.UINT8)
        model.output().set_format_type(hailo.FormatType.FLOAT32)  # HailoRT takes the output's scale off
        return HailoBackend(device, model, str(hailo.__version__))
    except ValueError:
        device.release()
        raise
    except Exception as error:
        device.release()
        raise RuntimeError("the device does not take the file: " + str(error).split("\n")[0])


def _check(model: Any) -> None:
    """Raise ValueError unless it takes one square colour picture and gives one output."""
    if len(model.input_names) != 1 or len(model.output_names) != 1:
        raise ValueError("the network has not one input and one output")
    shape = tuple(model.input().shape)
    if len(shape) != 3 or shape[0] != shape[1] or shape[2] != 3:
        raise ValueError("the network takes {} and no square picture in colour".format(shape))
