"""One row of a benchmark: open, warm up, measure, and look at the board before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from time import perf_counter
from typing import Any, Protocol

from ...bundle import Bundle
from ...devices import cpu, sensors
from ...errors import BundleError, DeviceFailed, DeviceNotFound, FerEdgeError
from ...runtime.inference.acceptance import golden_crops
from ...runtime.inference.classifier import Classifier
from ...words import counted
from ..results.metrics import latency_metrics
from ..results.results import ABSENT, FAILED, MEASURED, PARTIAL, ResultRow, reason_of
from . import board
from .processes import forget_peaks, peak_mib
from .singlestream import Query, Rules, Watch, measure, warm_up
from .system_under_test import SystemUnderTest

INTERRUPTED = "interrupted"


class Evaluate(Protocol):
    """A labelled set on which artifacts are measured."""

    def __call__(self, classifier: Classifier, /) -> Mapping[str, Any]:
        """An opened artifact's figures, with the set's name under `set`."""

    def check(self, labels: Sequence[str], /) -> None:
        """Raises DatasetError where a model of these labels cannot be measured on the set."""


class Judge:
    """Accuracy beside speed, on one labelled set; what a bundle's float graph reaches is measured once."""

    def __init__(self, evaluate: Evaluate) -> None:
        self._evaluate = evaluate
        self._known: dict[str, float] = {}

    def __call__(self, classifier: Classifier, bundle: Bundle, threads: int) -> dict[str, Any]:
        """What a row holds as `accuracy`; empty where the weights are for speed alone. Raises DeviceFailed."""
        if bundle.manifest.for_speed:
            return {}
        mine = self._evaluate(classifier)
        points = 100 * (mine["accuracy"] - self._reference(bundle, threads))
        return {**{name: mine[name] for name in ("set", "images", "accuracy", "mean_recall")}, "points": points}

    def check(self, bundle: Bundle) -> None:
        """Before minutes are spent on its times: raises DatasetError where the set cannot measure such a model."""
        if not bundle.manifest.for_speed:
            self._evaluate.check(bundle.labels)

    def _reference(self, bundle: Bundle, threads: int) -> float:
        key = bundle.reference.sha256
        if key not in self._known:
            reference = Classifier(bundle, bundle.reference, threads)
            self._known[key] = float(self._evaluate(reference)["accuracy"])
            reference.close()
        return self._known[key]


def open_system(system: SystemUnderTest) -> tuple[Classifier, float]:
    """The classifier, and milliseconds to its first answer: it infers once while it is opened."""
    start = perf_counter()
    classifier = system.open()
    return classifier, 1000 * (perf_counter() - start)


def model_row(
    system: SystemUnderTest, rules: Rules, judge: Judge | None = None, watch: Watch | None = None
) -> ResultRow:
    """The row of scope `model`: inference of one crop with its copies, through the runtime's own classifier.

    A device that is absent or fails, and an interrupt, are rows too: their state and reason say what happened.
    """
    forget_peaks()
    try:
        classifier, first_ms = open_system(system)
    except (DeviceNotFound, BundleError, DeviceFailed) as error:
        return unopened_row(system, "model", error)
    crops = golden_crops(classifier.size)

    def query(number: int) -> object:
        return classifier.logits(crops[number % len(crops)][None])

    try:
        row = timed(system.row("model", MEASURED), classifier, query, rules, watch)
        return with_accuracy(replace(row, first_ms=first_ms), system, classifier, judge)
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
        doubts.append(f"the times had not settled after {counted(warmup.queries, 'query', 'queries')}")
    row = replace(row, state=state, reason=reason, hint=hint, board=seen, warnings=tuple(doubts))
    row = replace(row, warmup=asdict(warmup) if warmup else {}, samples_ns=tuple(samples), peak_mib=peak_mib())
    return _described(replace(row, figures=latency_metrics(samples) if samples else {}), classifier)


def unopened_row(system: SystemUnderTest, scope: str, error: FerEdgeError) -> ResultRow:
    """The row of something that could not be opened."""
    state = FAILED if isinstance(error, DeviceFailed) else ABSENT
    return replace(system.row(scope, state), reason=reason_of(error), hint=error.hint)


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
