"""A small roofline: milliseconds of one inference as a sum of costs, none below zero, fitted to published figures.

    ms = a + b x operations + c x bytes in memory + d x bytes over the bus

Which of the terms a device has is in `estimates.py`; what they came to, in docs/estimates.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ..published.literature import PublishedResult
from ..published.workload import Workload

OVERHEAD, COMPUTE, MEMORY, STREAMED, TRANSFER = "overhead", "compute", "memory", "streamed", "transfer"
SPARE = 2
"""So many models more than parameters, or there is no fit."""
TIE = 1e-9
"""Norms of relative errors that differ by less are alike, and fewer costs win: processors round differently."""


@dataclass(frozen=True)
class Chip:
    """What the terms need to know of a device.

    Attributes:
        precision: of weights and tensors, a key of workload.BYTES.
        on_chip: bytes of weights that stay on the chip; what is beyond crosses the bus at every inference.
    """

    precision: str
    on_chip: float = 0.0


@dataclass(frozen=True)
class Term:
    """One cost: its unit, and how much of it a model has, by part of the breakdown."""

    unit: str
    amounts: Callable[[Workload, Chip], Mapping[str, float]]

    def amount(self, work: Workload, chip: Chip) -> float:
        """How much of it a model has, in `unit`."""
        return sum(self.amounts(work, chip).values())


TERMS: dict[str, Term] = {
    "call": Term("call", lambda w, c: {OVERHEAD: 1.0}),
    "layers": Term("layer", lambda w, c: {OVERHEAD: float(w.layers)}),
    "macs": Term("GMAC", lambda w, c: {COMPUTE: w.macs / 1e9}),
    "dense": Term("dense GMAC", lambda w, c: {COMPUTE: w.dense / 1e9}),
    "depthwise": Term("depthwise GMAC", lambda w, c: {COMPUTE: w.depthwise / 1e9}),
    "weights": Term("MB of weights", lambda w, c: {MEMORY: w.weight_bytes(c.precision) / 1e6}),
    "activations": Term("MB of tensors", lambda w, c: {MEMORY: w.activation_bytes(c.precision) / 1e6}),
    "bus": Term("MB over the bus", lambda w, c: {STREAMED: streamed(w, c) / 1e6, TRANSFER: w.transfer_bytes / 1e6}),
}


def streamed(work: Workload, chip: Chip) -> float:
    """Bytes of weights that do not fit on the chip."""
    return max(0.0, work.weight_bytes(chip.precision) - chip.on_chip)


@dataclass(frozen=True)
class Observation:
    """A published figure beside what its model asks of a device."""

    published: PublishedResult
    work: Workload


@dataclass(frozen=True)
class Fit:
    """Milliseconds a unit of each term, and how well they predict a figure they were not fitted to.

    Attributes:
        given: terms that were fitted elsewhere, on the same chip.
        errors: for each observation, predicted / published - 1 when every row of its model was left out.
    """

    chip: Chip
    costs: Mapping[str, float]
    observations: Sequence[Observation] = ()
    errors: Sequence[float] = ()
    given: Mapping[str, float] = field(default_factory=dict)

    def parts(self, work: Workload) -> dict[str, float]:
        """Milliseconds of each part of the breakdown."""
        ms = dict.fromkeys((OVERHEAD, COMPUTE, MEMORY, STREAMED, TRANSFER), 0.0)
        for name, cost in {**self.costs, **self.given}.items():
            for part, amount in TERMS[name].amounts(work, self.chip).items():
                ms[part] += cost * amount
        return ms

    def predict(self, work: Workload) -> float:
        """Mean milliseconds of one inference."""
        return sum(self.parts(work).values())

    @property
    def error(self) -> float:
        """Leave-one-out error: mean of |predicted / published - 1|."""
        return float(np.mean(np.abs(self.errors)))

    @property
    def worst(self) -> float:
        """The largest of them."""
        return float(np.max(np.abs(self.errors)))

    def range(self, work: Workload) -> tuple[float, float]:
        """(low, high) milliseconds: eight in ten of the models left out lay in such a range around their prediction."""
        under, over = np.quantile(np.maximum(self.errors, -0.99), (0.1, 0.9))
        ms = self.predict(work)
        return ms / (1 + float(over)), ms / (1 + float(under))

    def beyond(self, work: Workload) -> str:
        """Says so where a model would take less or more than every one that was published; empty where it would not."""
        ms, seen = self.predict(work), sorted(o.published.ms for o in self.observations)
        if seen[0] <= ms <= seen[-1]:
            return ""
        return f"extrapolated: the published models take {seen[0]:.3g} to {seen[-1]:.3g} ms"


def slower(found: Fit, ratios: Sequence[float], source: str) -> Fit:
    """The fit of another board, every cost times the median of the ratios.

    Its errors are every error of that fit with every ratio: against figures that are so many times as long, foretold
    by the median of the other ratios.

    Args:
        ratios: how many times as long this board took for networks that both ran.
        source: of the ratios.
    """
    times = float(np.median(ratios))
    others = [float(np.median([*ratios[:i], *ratios[i + 1 :]])) for i in range(len(ratios))]
    errors = [(1 + e) * m / r - 1 for e in found.errors for m, r in zip(others, ratios, strict=True)]
    from_ = f", times {times:.2f} ({min(ratios):.2f} to {max(ratios):.2f}) by {source}"
    seen = [
        replace(
            o,
            published=replace(o.published, fps=0.0, mean_ms=o.published.ms * times, source=o.published.source + from_),
        )
        for o in found.observations
    ]
    return Fit(found.chip, {name: cost * times for name, cost in found.costs.items()}, seen, errors)


def fit(
    observations: Sequence[Observation], terms: Sequence[str], chip: Chip, given: Mapping[str, float] | None = None
) -> Fit | None:
    """Fit and leave out each model in turn; None where fewer than SPARE models more than terms were published."""
    given = given or {}
    models = [(o.published.model, o.work.size) for o in observations]
    if len(set(models)) < len(terms) + SPARE:
        return None
    errors = []
    for model, left_out in zip(models, observations, strict=True):
        rest = [o for o, other in zip(observations, models, strict=True) if other != model]
        without = Fit(chip, _costs(rest, terms, chip, given), given=given)
        errors.append(without.predict(left_out.work) / left_out.published.ms - 1)
    return Fit(chip, _costs(observations, terms, chip, given), tuple(observations), tuple(errors), given)


def _costs(
    observations: Sequence[Observation], terms: Sequence[str], chip: Chip, given: Mapping[str, float]
) -> dict[str, float]:
    """Milliseconds a unit that make the relative errors least; each row is divided by its own milliseconds for that."""
    ms = np.array([o.published.ms for o in observations])
    amounts = np.array([[TERMS[name].amount(o.work, chip) for name in terms] for o in observations])
    known = np.array([sum(TERMS[n].amount(o.work, chip) * cost for n, cost in given.items()) for o in observations])
    return dict(zip(terms, map(float, nonnegative(amounts / ms[:, None], 1 - known / ms)), strict=True))


def nonnegative(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """The x >= 0 that makes |a x - b| least.

    Few columns: the least squares of every subset of them are tried. The solution is among them, as it is the least
    squares on the columns where it is above zero (Lawson and Hanson, Solving Least Squares Problems, 1974, ch. 23).
    """
    best = np.zeros(a.shape[1])
    for size in range(1, a.shape[1] + 1):
        for columns in map(list, combinations(range(a.shape[1]), size)):
            x = np.zeros(a.shape[1])
            x[columns] = np.linalg.lstsq(a[:, columns], b, rcond=None)[0]
            if (x >= 0).all() and np.linalg.norm(a @ x - b) < np.linalg.norm(a @ best - b) - TIE:
                best = x
    return best
