"""The acceptance run of a device: does it answer as the model does, and does it go on doing so?"""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic, perf_counter, sleep
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bundle import Bundle, parity
from ...errors import FerEdgeError
from .classifier import Classifier

GOLDEN = 32
SEED = 20251122
WAVES = 6
BREATH_S = 0.1


def golden_crops(size: int, count: int = GOLDEN) -> NDArray[np.uint8]:
    """Crops that are the same everywhere, uint8 (N, S, S, 3): sums of a few slow waves, as smooth as faces are.

    Not faces, so that none need be shipped: they ask whether two runtimes compute the same, not what a face shows.
    """
    rng = np.random.default_rng(SEED)
    y, x = np.mgrid[0 : 1 : size * 1j, 0 : 1 : size * 1j]
    crops = np.empty((count, size, size, 3), np.uint8)
    for crop in crops:
        fx, fy, phase = rng.uniform(-4, 4, (3, WAVES))
        grey = sum(np.sin(2 * np.pi * (a * x + b * y) + p) for a, b, p in zip(fx, fy, phase, strict=True))
        tint = rng.uniform(0.8, 1.2, 3)
        crop[:] = np.clip(128 + rng.uniform(20, 45) * np.asarray(grey)[:, :, None] * tint, 0, 255)
    return crops


@dataclass(frozen=True)
class Load:
    """A time of steady work: milliseconds of each call, and the faults that were counted."""

    milliseconds: tuple[float, ...]
    faults: tuple[str, ...]


def agreement(classifier: Classifier, bundle: Bundle) -> dict[str, float]:
    """Relative error of the logits and share of equal labels on the golden crops, against the bundle's own graph."""
    crops = golden_crops(classifier.size)
    reference = Classifier(bundle, bundle.reference)
    wanted, given = reference.logits(crops), classifier.logits(crops)
    reference.close()
    return parity(wanted, given)


def work(classifier: Classifier, seconds: float) -> Load:
    """Infer one crop after the other for some seconds; a fault is counted and, after a breath, the work goes on."""
    crops = golden_crops(classifier.size)
    times: list[float] = []
    faults: list[str] = []
    end = monotonic() + seconds
    while not times or monotonic() < end:
        start = perf_counter()
        try:
            classifier.logits(crops[len(times) % len(crops)][None])
        except FerEdgeError as error:
            faults.append(error.message)
            if monotonic() > end:
                break
            sleep(BREATH_S)
        else:
            times.append(1000 * (perf_counter() - start))
    return Load(tuple(times), tuple(faults))


def figures(load: Load) -> dict[str, Any]:
    """Calls, mean and percentiles in milliseconds, faults."""
    if not load.milliseconds:
        return {"calls": 0, "faults": list(load.faults)}
    t = np.array(load.milliseconds)
    p50, p90, p99 = (float(p) for p in np.percentile(t, [50, 90, 99]))
    return {
        "calls": len(t),
        "mean_ms": float(t.mean()),
        "p50_ms": p50,
        "p90_ms": p90,
        "p99_ms": p99,
        "faults": list(load.faults),
    }
