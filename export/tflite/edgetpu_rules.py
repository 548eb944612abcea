"""What Google documents of the Edge TPU, held against a .tflite file before any compiler sees it.

Operators and their limits: coral.ai/docs/edgetpu/models-intro, "Supported operations". Versions: those that TFLite had
at TensorFlow 2.5, on which compiler 16 is built (tensorflow/lite/kernels/register.cc of that release).
"""

from __future__ import annotations

from dataclasses import dataclass

from .flatbuffer import Flat, Operator, Tensor

VERSIONS = {
    "ADD": 2,
    "AVERAGE_POOL_2D": 3,
    "CONCATENATION": 2,
    "CONV_2D": 5,
    "DEPTHWISE_CONV_2D": 6,
    "EXPAND_DIMS": 1,
    "FULLY_CONNECTED": 9,
    "LOGISTIC": 3,
    "MAXIMUM": 3,
    "MAX_POOL_2D": 3,
    "MEAN": 2,
    "MINIMUM": 3,
    "MUL": 4,
    "PAD": 2,
    "QUANTIZE": 2,
    "RELU": 2,
    "RELU6": 2,
    "RESHAPE": 1,
    "SOFTMAX": 3,
    "SQUEEZE": 1,
    "SUB": 5,
    "SUM": 1,
    "TANH": 3,
}
"""The operators on the list that a picture classifier may have -> newest version the compiler reads."""
WEIGHED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
"""Operators with weights, whose zero point is 0 by TFLite's 8-bit quantisation specification. To ADD and MUL a constant
is an input like any other, with one scale and any zero point."""
ON_CHIP_BYTES = 7 * 2**20
"""Of the chip's 8 MiB, what is left for parameters beside code and activations. Compiler logs that people published
show 7.0 to 7.7 MiB for classifiers; less for large pictures."""


@dataclass(frozen=True)
class Verdict:
    """What the check found.

    Attributes:
        mapped: operators that obey every documented rule, of `total`.
        problems: one sentence for each rule broken, naming the layer.
        parameter_bytes: weights and biases.
        on_chip_bytes, off_chip_bytes: predicted split of these; what is off chip crosses the bus at every inference.
    """

    mapped: int
    total: int
    problems: tuple[str, ...]
    parameter_bytes: int
    on_chip_bytes: int
    off_chip_bytes: int
    foreign: bool = False
    """Whether the file as a whole breaks a rule: a float tensor, an input or output that is not int8, two subgraphs."""

    @property
    def share(self) -> float:
        """Mapped operators, 0..1."""
        return self.mapped / max(self.total, 1)


def check(flat: Flat) -> Verdict:
    """Hold every operator, version, shape and quantisation parameter against the documented list."""
    problems = [*_file(flat)]
    good = 0
    for place, op in enumerate(flat.operators):
        found = _operator(op, f"{op.name} number {place} ({op.outputs[0].name})")
        problems += found
        good += not found
    used = {id(t): t for op in flat.operators for t in op.inputs if t.constant_bytes and t.dtype in ("INT8", "INT32")}
    stored = sum(t.constant_bytes for t in used.values())
    on_chip = min(stored, ON_CHIP_BYTES)
    return Verdict(
        good, len(flat.operators), tuple(problems), stored, on_chip, stored - on_chip, foreign=bool(_file(flat))
    )


def _file(flat: Flat) -> list[str]:
    """Rules for the file as a whole."""
    problems = []
    if flat.subgraphs != 1:
        problems.append(f"the file has {flat.subgraphs} subgraphs instead of one")
    for side, tensors in (("input", flat.inputs), ("output", flat.outputs)):
        problems += [f"the {side} {t.name} is {t.dtype}, not INT8" for t in tensors if t.dtype != "INT8"]
    problems += [f"the tensor {t.name} is {t.dtype}" for t in flat.tensors if t.dtype.startswith("FLOAT")]
    return problems


def _operator(op: Operator, where: str) -> list[str]:
    """Rules for one operator; an empty list when it obeys all."""
    if op.name not in VERSIONS:
        return [f"{where} is not on the Edge TPU's list"]
    problems = []
    if op.version > VERSIONS[op.name]:
        problems.append(f"{where} has version {op.version}; the compiler reads up to {VERSIONS[op.name]}")
    for tensor in (*op.inputs, *op.outputs):
        problems += _tensor(tensor, where)
    if op.name in WEIGHED and any(op.inputs[1].zero_points):
        problems.append(f"{where}: the weights {op.inputs[1].name} are not symmetric around 0")
    if op.name in ("MAX_POOL_2D", "AVERAGE_POOL_2D", "CONCATENATION") and op.options.get("fusedActivationFunction", 0):
        problems.append(f"{where} has a fused activation")
    if op.name == "CONV_2D" and op.options.get("dilationWFactor", 1) != op.options.get("dilationHFactor", 1):
        problems.append(f"{where} is dilated differently in width and height")
    if op.name == "CONV_2D" and op.inputs[1].shape[-1] != op.inputs[0].shape[-1]:
        problems.append(f"{where} is a grouped convolution")
    if op.name == "DEPTHWISE_CONV_2D" and max(op.options.get("dilationWFactor", 1), op.options["dilationHFactor"]) > 1:
        problems.append(f"{where} is a dilated depthwise convolution")
    if op.name == "FULLY_CONNECTED":
        problems += _fully_connected(op, where)
    return problems


def _fully_connected(op: Operator, where: str) -> list[str]:
    problems = []
    if op.options.get("weightsFormat", 0):
        problems.append(f"{where} has shuffled weights")
    if len(op.inputs[1].scales) != 1:
        problems.append(f"{where} has one scale a channel; the tool chain wants one for the whole layer")
    if sum(n > 1 for n in op.outputs[0].shape) > 1:
        problems.append(f"{where} gives more than a one-dimensional tensor")
    return problems


def _tensor(t: Tensor, where: str) -> list[str]:
    """Rules for a tensor: quantised, of fixed size, at most three dimensions beside the batch."""
    problems = []
    wide = t.shape[:-3]
    if any(n != 1 for n in wide) and not t.constant_bytes:
        problems.append(f"{where}: {t.name} has shape {t.shape}; only the inner three dimensions may exceed 1")
    if t.dynamic:
        problems.append(f"{where}: {t.name} has no fixed size")
    if t.dtype == "INT8" and (not t.scales or (len(t.scales) > 1 and not t.constant_bytes)):
        problems.append(f"{where}: {t.name} is not quantised with one scale")
    if t.dtype not in ("INT8", "INT32"):
        problems.append(f"{where}: {t.name} is {t.dtype}")
    return problems
