"""One row of a benchmark: open, warm up, measure, and look at the board before and after."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from time import perf_counter
from typing import Any

from ...bundle import Bundle
from ...devices import cpu, sensors
from ...errors import BundleError, DeviceFailed, DeviceNotFound, FerEdgeError
from ...runtime.inference.acceptance import golden_crops
from ...runtime.inference.classifier import Classifier
from ..results.metrics import latency_metrics
from ..results.results import ABSENT, FAILED, MEASURED, PARTIAL, ResultRow
from . import board
from .processes import forget_peaks, peak_mib
from .singlestream import Query, Rules, Watch, measure, warm_up
from .system_under_test import SystemUnderTest

INTERRUPTED = "interrupted"
Evaluate = Callable[[Classifier], Mapping[str, Any]]
"""Runs an opened artifact over a labelled set: its figures, with the set's name under `set`."""


class Judge:
    """Accuracy beside speed, on one labelled set; what a bundle's float graph reaches is measured once."""

    def __init__(self, evaluate: Evaluate) -> None:
        self._evaluate = evaluate
        self._known: dict[str, float] = {}

    def __call__(self, classifier: Classifier, bundle: Bundle, threads: int) -> dict[str, Any]:
        """What a row holds as `accuracy`; empty for random weights. Raises DeviceFailed."""
        if bundle.manifest.provenance.get("weights") == "random":
            return {}
        mine = self._evaluate(classifier)
        points = 100 * (mine["accuracy"] - self._reference(bundle, threads))
        return {**{name: mine[name] for name in ("set", "images", "accuracy", "mean_recall")}, "points": points}

    def _reference(self, bundle: Bundle, threads: int) -> float:
        key = bundle.reference.sha256
        if key not in self._known:
            reference = Classifier(bundle, bundle.reference, threads)
            self._known[key] = float(self._evaluate(reference)["accuracy"])
            reference.close()
        return self._known[key]


@dataclass(frozen=True)
class Opened:
    """A classifier, and the milliseconds from asking for it to its first answer."""

    classifier: Classifier
    first_ms: float


def open_system(system: SystemUnderTest) -> Opened:
    """Open the device; `Classifier` infers once on the way, which is the first answer."""
    start = perf_counter()
    classifier = system.open()
    return Opened(classifier, 1000 * (perf_counter() - start))


def model_row(
    system: SystemUnderTest, rules: Rules, judge: Judge | None = None, watch: Watch | None = None
) -> ResultRow:
    """The row of scope `model`: inference of one crop with its copies, through the runtime's own classifier.

    A device that is absent or fails, and an interrupt, are rows too: their state and reason say what happened.
    """
    forget_peaks()
    try:
        opened = open_system(system)
    except (DeviceNotFound, BundleError, DeviceFailed) as error:
        return unopened_row(system, "model", error)
    classifier = opened.classifier
    crops = golden_crops(classifier.size)
    try:
        row = timed(
            system.row("model", MEASURED),
            classifier,
            lambda i: classifier.logits(crops[i % len(crops)][None]),
            rules,
            watch,
        )
        row = replace(row, first_ms=opened.first_ms)
        return with_accuracy(row, system, classifier, judge)
    finally:
        classifier.close()


def timed(row: ResultRow, classifier: Classifier, query: Query, rules: Rules, watch: Watch | None) -> ResultRow:
    """The row with warm-up, samples, figures, memory and the board's state, however the measurement ended."""
    samples: list[int] = []
    reason, hint, state = "", "", row.state
    before = board.mark()
    warmup = None
    try:
        warmup = warm_up(query)
        before = board.mark()
        measure(query, rules, samples, watch=watch)
    except KeyboardInterrupt:
        state, reason = PARTIAL, INTERRUPTED
    except FerEdgeError as error:
        state, reason, hint = FAILED, error.message, error.hint
    seen = board.between(before, board.mark(), cpu.usable_cores())
    doubts = board.warnings(seen, samples, sensors.governor())
    if warmup is not None and not warmup.settled:
        doubts.append(f"the times had not settled after {warmup.queries} queries")
    row = replace(row, state=state, reason=reason, hint=hint, board=seen, warnings=tuple(doubts))
    return _described(
        replace(
            row,
            warmup=asdict(warmup) if warmup else {},
            samples_ns=tuple(samples),
            figures=latency_metrics(samples) if samples else {},
            peak_mib=peak_mib(),
        ),
        classifier,
    )


def unopened_row(system: SystemUnderTest, scope: str, error: FerEdgeError) -> ResultRow:
    """The row of something that could not be opened."""
    state = FAILED if isinstance(error, DeviceFailed) else ABSENT
    row = system.row(scope, state)
    cause = f" ({error.cause})" if error.cause else ""
    return replace(row, reason=f"{error.message}{cause}", hint=error.hint)


def with_accuracy(row: ResultRow, system: SystemUnderTest, classifier: Classifier, judge: Judge | None) -> ResultRow:
    """The row with accuracy through the same classifier and artifact, where a labelled set was given."""
    if judge is None or row.state != MEASURED:
        return row
    try:
        return replace(row, accuracy=judge(classifier, system.bundle, system.threads))
    except KeyboardInterrupt:
        return replace(row, state=PARTIAL, reason=f"{INTERRUPTED} while the accuracy was measured")
    except DeviceFailed as error:
        return replace(row, state=FAILED, reason=f"while the accuracy was measured: {error.message}", hint=error.hint)


def _described(row: ResultRow, classifier: Classifier) -> ResultRow:
    """What ran, and whether it was the device itself from the first query to the last."""
    report = classifier.artifact.report
    mapped = {name: report[name] for name in ("mapped", "operators", "checked_by") if name in report}
    about = {**classifier.describe(), **mapped}
    stood_in = bool(about.get("degraded") or (about.get("restarts") and about.get("last_fault")))
    return replace(
        row,
        backend=about,
        precision=classifier.artifact.precision,
        artifact=classifier.artifact.path,
        sha256=classifier.artifact.sha256,
        degraded=stood_in,
        simulated=bool(about.get("simulated")),
    )
