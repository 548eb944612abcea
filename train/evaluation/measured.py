"""What is measured: a bundle through the runtime, or a checkpoint through torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...bundle import LABELS, Logits, open_bundle
from ...bundle.dataset import Sample, Watch
from ...errors import UsageError
from ...export.labelled import logits_of
from ...runtime.inference.classifier import Classifier, choose_artifact
from ..data.corruptions import Corruption
from ..network import open_checkpoint
from .predict import predict


@dataclass(frozen=True)
class Model:
    """What is measured: a checkpoint through torch, or a bundle through the runtime's backend, and whence it is."""

    name: str
    labels: tuple[str, ...]
    logits: Callable[[list[Sample], Watch], Logits]
    classifier: Classifier | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def notices(self) -> list[str]:
        """What people should know of its outputs."""
        return [self.classifier.notice] if self.classifier and self.classifier.notice else []

    def altered(self, alter: Corruption, samples: list[Sample], watch: Watch) -> Logits:
        """Its logits for altered pictures; raises UsageError for a checkpoint."""
        if self.classifier is None:
            raise UsageError("--corrupt measures bundles, not checkpoints", hint="the same command with --bundle PATH")
        return logits_of(self.classifier, samples, alter, watch)


def open_model(
    bundle: Path | None = None, precision: str = "auto", checkpoint: Path | None = None, threads: int = 1
) -> Model:
    """A checkpoint, or else a bundle, the one inside fer-edge when None; raises BundleError, UsageError."""
    if checkpoint:
        network, recipe = open_checkpoint(checkpoint)
        name = f"checkpoint {checkpoint.name} ({recipe.name})"
        return Model(name, LABELS, lambda samples, watch: predict(network, samples, recipe.size, watch=watch))
    opened = open_bundle(bundle)
    classifier = Classifier(opened, choose_artifact(opened, precision), threads)
    described = classifier.describe()
    name = f"{described['bundle']}, {described['artifact']}"

    def logits(samples: list[Sample], watch: Watch) -> Logits:
        return logits_of(classifier, samples, watch=watch)

    return Model(name, opened.labels, logits, classifier, opened.manifest.provenance)
