"""Our bundles, measured as peers are: the same pictures, the same clock, one thread."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter_ns

import numpy as np
from numpy.typing import NDArray

from .... import __version__
from ....bundle import LABELS, Artifact, Bundle, default_bundle, open_bundle, whole_image
from ....bundle.scoring import in_our_order
from ....runtime.inference.classifier import Classifier, choose_artifact
from .peer import About, Answers, Peer


class OwnSession:
    """A Classifier in this process, which is where `fer-edge run` has it."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._order = in_our_order(classifier.labels, "the bundle")

    def ask(self, batch: NDArray[np.uint8]) -> Answers:
        """See Session."""
        rows, taken = np.zeros((len(batch), len(LABELS)), np.float32), np.zeros(len(batch), np.int64)
        for i, picture in enumerate(batch):
            start = perf_counter_ns()
            row = self._classifier.probabilities(whole_image(picture, self._classifier.size)[None])[0]
            taken[i] = perf_counter_ns() - start
            rows[i] = row[self._order]
        return Answers(rows, taken)

    def describe(self) -> str:
        """See Session."""
        said = self._classifier.describe()
        return f"{said['backend']} {said['version']}, {said['threads']} thread"

    def close(self) -> None:
        """See Session."""
        self._classifier.close()


@dataclass(frozen=True)
class Ours(Peer):
    """One artifact of a bundle that ships.

    Attributes:
        bundle: its name.
        precision: as `choose_artifact` takes it.
    """

    bundle: str = "default"
    precision: str = "auto"

    @property
    def about(self) -> About:
        """See Peer; read from the bundle's manifest."""
        bundle, artifact = self._artifact()
        stored = artifact.precision == "float16"
        side = bundle.manifest.input.size
        return About(
            f"fer-edge {self.bundle}, {'float32' if stored else artifact.precision}",
            __version__,
            f"Apache-2.0; weights: {bundle.manifest.licence.partition(':')[0]}",
            side,
            f"{artifact.path}{', weights stored as float16' if stored else ''}; RGB, our bilinear to {side}",
        )

    def open(self) -> OwnSession:
        """See Peer."""
        return OwnSession(Classifier(*self._artifact(), threads=1))

    def _artifact(self) -> tuple[Bundle, Artifact]:
        bundle = open_bundle(default_bundle(self.bundle))
        return bundle, choose_artifact(bundle, self.precision)


DEFAULT = Ours()
DEFAULT_FLOAT = Ours(precision="float16")
"""The graph that the default was quantised from; it computes in float32."""
STUDENT = Ours("edgetpu")
