"""From the pixels of a picture to what a foreign graph's first convolution takes: a map of single pixels, measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import UnsupportedGraph
from ..onnx import import_onnx
from .form import Foreign, Form

Floats = NDArray[np.float32]
EXACT = 1e-4
"""What a value may be off, relative to the largest, and still count as the same: float32 rounds in another order."""


@dataclass(frozen=True)
class Affine:
    """From a pixel's R, G and B to the channels of `tensor`, float32 NCHW: matrix (C, 3) times it plus offset (C,)."""

    tensor: str
    matrix: Floats
    offset: Floats

    def apply(self, pictures: NDArray[np.uint8]) -> Floats:
        """Values (N, C, S, S) of pictures (N, S, S, 3)."""
        mixed = np.einsum("cd,nhwd->nchw", self.matrix, pictures.astype(np.float32))
        return np.asarray(mixed + self.offset[:, None, None], np.float32)


def first_layer(model: Any, form: Form, entry: Affine) -> Affine:
    """The map from a picture to what the first convolution takes, measured; `entry`, to the model's own input, where
    something other than a map of single pixels stands between."""
    onnx = import_onnx()
    node = next((n for n in model.graph.node if n.op_type in ("Conv", "Pad") and readers(model, n.input[0]) == 1), None)
    if node is None or (node.input[0] == form.name and form.layout == "nhwc"):
        return entry
    probed = type(model).FromString(model.SerializeToString())
    del probed.graph.output[:]
    probed.graph.output.append(onnx.helper.make_empty_tensor_value_info(node.input[0]))
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (2, form.size, form.size, 3), np.uint8)
    try:
        foreign = Foreign(probed, form) if node.input[0] != form.name else None
    except UnsupportedGraph:  # such as a tensor that does not depend on the picture's
        return entry
    given = [foreign.run(p[None])[0] if foreign else p[None] for p in entry.apply(pictures)]
    values = np.concatenate(given).astype(np.float32)
    if values.ndim != 4 or values.shape[2:] != (form.size, form.size):
        return entry
    pixels = np.c_[pictures.reshape(-1, 3), np.ones(pictures[..., 0].size)]
    rows, *_ = np.linalg.lstsq(pixels, values.transpose(0, 2, 3, 1).reshape(-1, values.shape[1]).astype(float))
    found = Affine(node.input[0], rows[:3].T.astype(np.float32), rows[3].astype(np.float32))
    found.matrix[np.abs(found.matrix) < EXACT * np.abs(found.matrix).max()] = 0
    rounded = 0.5 * np.abs(found.matrix).max() / np.abs(entry.matrix).max() if form.dtype.kind != "f" else 0.0
    off = np.abs(found.apply(pictures) - values).max()
    return found if off <= EXACT * np.abs(values).max() + rounded else entry


def split(affine: Affine) -> tuple[Floats, Floats, Floats, Floats]:
    """Mean (3,), deviation (3,), mixture (C, 3) and rest (C,) with matrix p + offset = mixture (p - mean) / deviation
    + rest; the rest is 0 where a mean can be found that leaves none, so that padding with zeros stays what it was."""
    matrix, offset = affine.matrix.astype(float), affine.offset.astype(float)
    used = matrix != 0
    if matrix.shape[0] == 3 and (used.sum(0) == 1).all() and (used.sum(1) == 1).all():  # each takes one colour
        std, mean = 1 / matrix.sum(0), -(matrix.T / (matrix**2).sum(0)[:, None]) @ offset
    else:
        total = matrix.sum(1).mean() or 1.0
        std, mean = np.full(3, 1 / total), np.full(3, -offset.mean() / total)
    mix = matrix * std
    rest = offset + matrix @ mean
    mix[np.abs(mix - np.round(mix)) < EXACT] = np.round(mix)[np.abs(mix - np.round(mix)) < EXACT]
    rest[np.abs(rest) < EXACT * max(np.abs(offset).max(), 1e-6)] = 0
    return tuple(np.asarray(v, np.float32) for v in (mean, std, mix, rest))  # type: ignore[return-value]


def readers(model: Any, tensor: str) -> int:
    """How many layers take a tensor."""
    return sum(tensor in n.input for n in model.graph.node)
