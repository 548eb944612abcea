"""Running a bundle's artifact over labelled faces, through the runtime's own backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .output import watch

if TYPE_CHECKING:
    from ..bundle import Image, Logits
    from ..runtime.inference.classifier import Classifier
    from ..train.data.corruptions import Corruption
    from ..train.data.dataset import Dataset, Sample


def logits_of(classifier: Classifier, samples: Sequence[Sample], alter: Corruption | None = None) -> Logits:
    """Logits float32 (N, classes), one picture at a time as on a device; each altered first, with its place as seed."""
    import numpy as np

    from ..bundle import whole_image

    rows = [
        classifier.logits(whole_image(_picture(s, i, alter), classifier.size)[None])[0]
        for i, s in enumerate(watch(samples, desc=f"measuring {classifier.artifact.precision}"))
    ]
    return np.stack(rows) if rows else np.zeros((0, len(classifier.labels)), np.float32)


def _picture(sample: Sample, place: int, alter: Corruption | None) -> Image:
    from ..train.data.dataset import read_image

    picture = read_image(sample.path)
    return picture if alter is None else alter(picture, place)


def measure(classifier: Classifier, dataset: Dataset, split: str, name: str) -> dict[str, Any]:
    """Figures on a split by its label; `second` by the other column, `unseen` without copies of training pictures.

    Args:
        name: of the set, as the manifest is to call it.
    """
    import numpy as np

    from ..train.data.duplicates import copied
    from ..train.evaluation.metrics import report

    used = [s for s in dataset.split(split) if s.label is not None or s.second is not None]
    logits = logits_of(classifier, used)
    labels = classifier.labels
    truth = np.array([-1 if s.label is None else s.label for s in used])
    other = np.array([-1 if s.second is None else s.second for s in used])
    copies = {s.content for s in copied(used, dataset.split("train"))}
    fresh = np.array([s.content not in copies for s in used])
    figures = {"set": name, **report(logits[truth >= 0], truth[truth >= 0], labels)}
    if dataset.second_label and (other >= 0).any():
        figures["second"] = {"label": dataset.second_label, **report(logits[other >= 0], other[other >= 0], labels)}
    if not fresh.all():
        kept = fresh & (truth >= 0)
        figures["unseen"] = report(logits[kept], truth[kept], labels)
    return figures
