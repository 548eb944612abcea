"""Running a network over labelled faces, pictures prepared by the bundle's own function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bundle import LABELS, Logits, softmax, whole_image
from ...bundle.dataset import Sample, Watch, read_face, unwatched
from ...errors import NotFinite
from ...export.metrics import Classes, report
from ..torch_import import import_torch

MIN_PART = 30
"""Fewer pictures of a source or group say too little; groups/fairness.py draws the line there too."""


def predict(network: Any, samples: Sequence[Sample], size: int, batch: int = 64, watch: Watch = unwatched) -> Logits:
    """Logits float32 (N, classes) of a network in evaluation mode, all finite; raises NotFinite."""
    torch = import_torch()
    network.eval()
    device = next(network.parameters()).device
    rows = []
    with torch.inference_mode():
        for start in watch(range(0, len(samples), batch), desc="evaluate"):
            pictures = [whole_image(read_face(s), size) for s in samples[start : start + batch]]
            rows.append(network(torch.from_numpy(np.stack(pictures)).to(device)).float().cpu().numpy())
    logits = np.concatenate(rows) if rows else np.zeros((0, len(LABELS)), np.float32)
    if bad := int((~np.isfinite(logits).all(axis=1)).sum()):
        cause = "the training diverged, and left weights that are no numbers or overflow"
        raise NotFinite(logits, bad, cause, hint="the same command with an earlier checkpoint, epoch_NN.pt")
    return logits


def labelled(samples: Sequence[Sample]) -> tuple[list[Sample], Classes]:
    """The samples with a label, and those labels."""
    kept = [s for s in samples if s.label is not None]
    return kept, np.array([s.label for s in kept], np.int64)


def parts_of(samples: Sequence[Sample], columns: Sequence[str] = ()) -> dict[str, list[int]]:
    """Places of the samples of each source, where there are several, and of each group; none under MIN_PART."""
    found: dict[str, list[int]] = {}
    several = len({s.source for s in samples}) > 1
    for place, sample in enumerate(samples):
        named = [f"{column} {value}" for column, value in zip(columns, sample.groups, strict=False) if value]
        for name in [*([f"source {sample.source}"] if several else []), *named]:
            found.setdefault(name, []).append(place)
    return {name: places for name, places in found.items() if len(places) >= MIN_PART}


def agreement(
    network: Any, samples: Sequence[Sample], answers: NDArray[np.float32], size: int, columns: Sequence[str] = ()
) -> dict[str, float]:
    """On which share of the faces network and teachers name the same label: of all, by set as source, and by group.

    Args:
        answers: the teachers' distributions (N, classes); columns: what the samples' groups are values of.
    """
    same = predict(network, samples, size).argmax(axis=1) == answers.argmax(axis=1)
    by_set = parts_of([replace(s, source=s.collection) for s in samples], columns)
    return {"all": float(same.mean()), **{name: float(same[places].mean()) for name, places in by_set.items()}}


def validate(network: Any, samples: Sequence[Sample], size: int, columns: Sequence[str] = ()) -> dict[str, Any]:
    """The figures of `metrics.report` and the mean log loss, on the labelled samples.

    Args:
        columns: what the samples' groups are values of.

    Returns:
        with them `parts`, the accuracy by source and group; and `worst_group`, the lowest, where there are any.
    """
    kept, truth = labelled(samples)
    logits = predict(network, kept, size)
    chosen = softmax(logits)[np.arange(truth.size), truth]
    right = logits.argmax(axis=1) == truth
    parts = {name: float(right[places].mean()) for name, places in parts_of(kept, columns).items()}
    worst = {"parts": parts, "worst_group": min(parts.values())} if parts else {"parts": {}}
    return {**report(logits, truth, LABELS), "loss": float(-np.log(np.maximum(chosen, 1e-12)).mean()), **worst}
