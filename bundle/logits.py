"""What a graph's output means."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.float32]
"""float32, N x classes, in the order of the bundle's labels."""


def softmax(logits: Logits) -> NDArray[np.float32]:
    """Probabilities along the last axis, computed without overflow."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True), dtype=np.float32)
