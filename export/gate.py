"""The gate: an artifact leaves only when it says what the model it came from says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bundle import Artifact, Bundle, Logits, parity
from ..errors import BundleError, DeviceNotFound, GateFailed, NotFinite
from ..runtime.inference.acceptance import golden_crops
from ..runtime.inference.classifier import Classifier, runs_here

Evaluate = Callable[[Classifier], Mapping[str, Any]]
"""Runs an opened artifact over a labelled set and returns its figures, with the set's name under `set`."""


@dataclass(frozen=True)
class ParityLimits:
    """What an artifact may differ by: relative error of the logits, share of equal labels, accuracy (0..1)."""

    logit_error: float
    label_agreement: float
    accuracy_loss: float


FLOAT = ParityLimits(logit_error=1e-3, label_agreement=0.999, accuracy_loss=0.001)
FLOAT16 = ParityLimits(logit_error=1e-2, label_agreement=0.97, accuracy_loss=0.005)
"""Of a model whose own weights are float32: stored as float16 they move its answers, even where no layer changes.
HSEmotion's move by 0.0045 in ONNX Runtime alone, most of it from its first depthwise layers, and by as much here."""
INT8 = ParityLimits(logit_error=float("inf"), label_agreement=0.97, accuracy_loss=0.01)
RANDOM_FLOAT, RANDOM_INT8 = ParityLimits(0.25, 0.0, 1.0), ParityLimits(1.2, 0.0, 1.0)
"""For random weights, which magnify every rounding and whose labels mean nothing: only a wrong graph is caught, whose
logits have nothing to do with the right ones (relative error 1.4)."""


def limits_for(precision: str, trained: bool = True, rounded: bool = False) -> ParityLimits:
    """The limits of a precision; `rounded`: float16 rounds the model's weights, which are not stored so already."""
    if not trained:
        return RANDOM_INT8 if precision == "int8" else RANDOM_FLOAT
    return {"int8": INT8, "float16": FLOAT16 if rounded else FLOAT}.get(precision, FLOAT)


@dataclass(frozen=True)
class Gate:
    """What every artifact of an export is held against.

    Attributes:
        pictures: calibration crops, uint8 (N, S, S, 3).
        logits: of the reference graph for these, float32 (N, classes).
        evaluate: runs a classifier over the labelled set; None without one.
        figures: the reference's on that set.
        trained: False for a network with random weights.
        precision: of the reference graph's weights.
    """

    pictures: NDArray[np.uint8]
    logits: Logits
    evaluate: Evaluate | None = None
    figures: Mapping[str, Any] | None = None
    trained: bool = True
    precision: str = "float16"

    def measure(self, artifact: Artifact, classifier: Classifier) -> Artifact:
        """The artifact's entry with its agreement and, with a labelled set, its figures.

        Raises GateFailed: it differs by more than its limits, or gives no finite numbers.
        """
        try:
            agreement = parity(self.logits, classifier.logits(self.pictures))
            metrics = dict(self.evaluate(classifier)) if self.evaluate else {}
        except NotFinite as error:
            raise GateFailed(f"{artifact.target} {artifact.precision}: {error.message}", cause=error.cause) from error
        if metrics and self.figures:
            metrics["accuracy_change"] = metrics["accuracy"] - self.figures["accuracy"]
        measured = replace(artifact, parity={**agreement, "ran_on": _ran_on(classifier)}, metrics=metrics)
        self._judge(measured)
        return measured

    def _judge(self, a: Artifact) -> None:
        limits, found = limits_for(a.precision, self.trained, self.precision == "float32"), []
        if not a.parity["logit_error"] <= limits.logit_error:  # not >, so that a NaN fails
            found.append(f"its logits are off by {a.parity['logit_error']:.2g} (limit {limits.logit_error:g})")
        one_may_differ = 1 - 1 / len(self.pictures) if limits.label_agreement <= INT8.label_agreement else 1.0
        if not a.parity["label_agreement"] >= min(limits.label_agreement, one_may_differ):
            found.append(
                f"{a.parity['label_agreement']:.1%} of its labels are equal (limit {limits.label_agreement:.1%})"
            )
        if a.metrics and not -a.metrics["accuracy_change"] <= limits.accuracy_loss:
            lost = -100 * a.metrics["accuracy_change"]
            found.append(f"its accuracy is {lost:.2f} points lower (limit {100 * limits.accuracy_loss:.1f})")
        if found:
            cause = "the converter changed the graph"
            if limits is FLOAT16:
                cause = "float16 is too coarse for this model's weights, or the converter changed the graph"
            hint = "the same command with --debug, and send us what it prints"
            if a.precision == "int8":
                cause = "the calibration pictures are unlike the faces it was trained on"
                hint = "the same command with more, and more varied, faces in --calibration"
            what = f"{a.target} {a.precision} does not agree with the model: {'; '.join(found)}"
            raise GateFailed(what, cause=cause, hint=hint)


def _ran_on(classifier: Classifier) -> str:
    """Which runtime computed the logits."""
    d = classifier.backend.describe()
    return " ".join(str(d[k]) for k in ("backend", "version", "device") if d.get(k))


TRIED = 8
"""Golden crops that each artifact is run on by `run_each`."""


def run_each(bundle: Bundle) -> tuple[dict[str, str], list[str]]:
    """Run every artifact once that this machine's processor can run.

    Returns:
        the others' paths, and why not; and what people should know of those that ran.

    Raises:
        BundleError kinds: an artifact cannot be opened, gives other outputs than its manifest says, or no finite ones.
    """
    skipped, notices = {}, []
    for artifact in bundle.manifest.artifacts:
        if not runs_here(artifact):
            skipped[artifact.path] = f"it was compiled for {artifact.target}"
            continue
        try:
            classifier = Classifier(bundle, artifact)
            notices += [classifier.notice] if classifier.notice else []
            try:
                classifier.logits(golden_crops(classifier.size, TRIED))
            finally:
                classifier.close()
        except NotFinite as error:
            raise BundleError(f"{artifact.path}: {error.message}", cause=error.cause) from error
        except DeviceNotFound as error:
            skipped[artifact.path] = error.message
    return skipped, notices
