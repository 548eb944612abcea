"""What each layer is given, over some faces: how large, how spread, how often 0, and which channels never speak."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....bundle import Image
from .probe import Probe


class Activations:
    """Running sums over the inputs of every layer with weights."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._sums: dict[str, NDArray[np.float64]] = {}
        self._spoke: dict[str, NDArray[np.bool_]] = {}

    def add(self, picture: Image) -> None:
        """Count one crop, uint8 (S, S, 3)."""
        inside = self._probe.look_inside(picture)
        for _, tensor in self._probe.layers:
            values = inside[tensor].astype(np.float64)
            new = np.array([values.size, values.sum(), (values**2).sum(), (values == 0).sum(), np.abs(values).max()])
            old = self._sums.get(tensor, np.zeros(5))
            self._sums[tensor] = np.array([*(old[:4] + new[:4]), max(old[4], new[4])])
            channels = np.moveaxis(values, 1 if values.ndim == 4 else -1, 0)  # a dense layer's features come last
            spoke = (channels.reshape(len(channels), -1) != 0).any(axis=1)
            self._spoke[tensor] = spoke | self._spoke.get(tensor, np.zeros_like(spoke))

    def rows(self) -> list[dict[str, Any]]:
        """One row a layer, in the graph's order; none where no face was counted.

        `zeros` is the share of values that are exactly 0, `dead` that of channels that were 0 on every face.
        """
        rows = []
        for layer, tensor in self._probe.layers if self._sums else ():
            count, total, squares, zeros, largest = self._sums[tensor].tolist()
            mean = total / count
            rows.append(
                {
                    "layer": layer,
                    "mean": mean,
                    "std": max(squares / count - mean**2, 0.0) ** 0.5,
                    "largest": largest,
                    "zeros": zeros / count,
                    "dead": float(1 - self._spoke[tensor].mean()),
                }
            )
        return rows
