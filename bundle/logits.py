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


def parity(reference: Logits, other: Logits) -> dict[str, float]:
    """Agreement of two sets of logits (N, classes): mean relative error of the logits and share of equal labels."""
    error = np.linalg.norm(other - reference, axis=1) / np.maximum(np.linalg.norm(reference, axis=1), 1e-9)
    same = other.argmax(axis=1) == reference.argmax(axis=1)
    return {"pictures": len(reference), "logit_error": float(error.mean()), "label_agreement": float(same.mean())}
