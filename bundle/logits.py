"""What a graph's output means."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.float32]
"""float32, N x classes, in the order of the bundle's labels."""


SUM_TOLERANCE = 0.02
"""Of probabilities: a graph quantised to 8 bits rounds each to 1/256."""
FLOOR = 1e-6
"""Probabilities below are taken for this; a logarithm needs one."""
MEANING = {
    "probabilities": "gives probabilities, not logits: they are taken as they are",
    "sigmoids": "gives values from 0 to 1 that do not sum to 1, as sigmoids do: each is divided by their sum",
}
"""What a graph's outputs may be besides logits -> how that is told and dealt with."""


def outputs_of(rows: Logits) -> str:
    """What a graph gives, judged by its answers to a few different pictures (N, classes): logits, or one of MEANING."""
    if not ((rows >= 0) & (rows <= 1)).all():
        return "logits"  # those of log-softmax, too: their softmax is what went into the logarithm
    if (np.abs(rows.sum(axis=1) - 1) < SUM_TOLERANCE).all():
        return "probabilities"
    return "logits" if np.allclose(rows, rows[0]) else "sigmoids"


def logits_from(probabilities: Logits) -> Logits:
    """Logits whose softmax is these probabilities, divided by their sum."""
    return np.asarray(np.log(np.maximum(probabilities, FLOOR)), np.float32)


def softmax(logits: Logits) -> NDArray[np.float32]:
    """Probabilities along the last axis, computed without overflow."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True), dtype=np.float32)


def parity(reference: Logits, other: Logits) -> dict[str, float]:
    """Agreement of two sets of logits (N, classes): mean relative error of the logits and share of equal labels."""
    error = np.linalg.norm(other - reference, axis=1) / np.maximum(np.linalg.norm(reference, axis=1), 1e-9)
    same = other.argmax(axis=1) == reference.argmax(axis=1)
    return {"pictures": len(reference), "logit_error": float(error.mean()), "label_agreement": float(same.mean())}
