"""Which augmentations keep the label: how often a frozen model says the same of a face before and after, by strength.

What changes the model's answer may have taken the expression out of the face, or only what this model goes by. Accuracy
against people's label tells no more: nobody labelled the altered face. So a low agreement is a reason to look at the
pictures, and a high one a reason to leave the augmentation alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...bundle import Image, Logits, whole_image
from ...bundle.dataset import Sample, Watch, balanced, read_face, unwatched
from ...bundle.extras import load
from ...export.metrics import Classes
from ..data.augment import Augment, build_augment
from .explain.probe import open_probe
from .intervals import share
from .options import EvaluateOptions

Build = Callable[[Any, float], Any]
LADDERS: dict[str, tuple[str, Build, tuple[float, ...]]] = {
    "flip": ("mirrored", lambda A, s: A.HorizontalFlip(p=1), (1,)),
    "rotate": ("degrees", lambda A, s: A.Rotate(limit=(s, s), p=1), (-45, -20, -10, 10, 20, 45, 90)),
    "scale": ("times", lambda A, s: A.Affine(scale=(s, s), p=1), (0.7, 0.85, 0.95, 1.05, 1.18, 1.4)),
    "shift": (
        "of the width",
        lambda A, s: A.Affine(translate_percent={"x": s, "y": s}, p=1),
        (-0.15, -0.07, 0.07, 0.15),
    ),
    "brightness": ("by", lambda A, s: A.RandomBrightnessContrast((s, s), (0, 0), p=1), (-0.5, -0.2, 0.2, 0.5)),
    "contrast": ("by", lambda A, s: A.RandomBrightnessContrast((0, 0), (s, s), p=1), (-0.5, -0.2, 0.2, 0.5)),
    "hue": ("turned by", lambda A, s: A.ColorJitter((1, 1), (1, 1), (1, 1), (s, s), p=1), (-0.1, 0.1)),
    "gamma": ("percent", lambda A, s: A.RandomGamma(gamma_limit=(s, s), p=1), (60, 160)),
    "blur": ("sigma in pixels", lambda A, s: A.GaussianBlur(blur_limit=0, sigma_limit=(s, s), p=1), (1, 2, 4)),
    "coarse pixels": ("of the width", lambda A, s: A.Downscale(scale_range=(s, s), p=1), (0.5, 0.25, 0.14)),
    "noise": ("of 255", lambda A, s: A.GaussNoise(std_range=(s, s), p=1), (0.02, 0.06, 0.12)),
    "JPEG": ("quality", lambda A, s: A.ImageCompression(quality_range=(int(s), int(s)), p=1), (80, 25, 8)),
    "hole": (
        "side, of the width",
        lambda A, s: A.CoarseDropout(num_holes_range=(1, 1), hole_height_range=(s, s), hole_width_range=(s, s), p=1),
        (0.1, 0.2, 0.3, 0.5),
    ),
}
"""Augmentation -> what its strength is in, albumentations' transform, and strengths to beyond what recipes use."""
SEED = 42
"""Of the choice of faces."""
SETS = ("v1", "v2", "wild", "harsh")
"""Of recipes, with the chances that they have there."""


def audit_model(
    options: EvaluateOptions, samples: Sequence[Sample], truth: Classes, labels: Sequence[str], watch: Watch = unwatched
) -> list[dict[str, Any]]:
    """`audit` for what an evaluation measures, over some faces, as even over the labels as there are enough.

    Args:
        truth: of each sample, an index of `labels`, which may be some of the model's.

    Raises BundleError, UsageError, MissingExtra: the model cannot be opened; albumentations is absent.
    """
    asked = [replace(sample, label=int(label)) for sample, label in zip(samples, truth, strict=True)]
    chosen = balanced(asked, options.augmentations, SEED)
    with open_probe(options.bundle, options.checkpoint, options.threads) as probe:
        columns = [probe.labels.index(label) for label in labels]

        def answer(crops: Sequence[Image]) -> Logits:
            return np.asarray(probe.answer(crops)[:, columns])

        return audit(answer, probe.size, chosen, np.array([s.label for s in chosen]), labels, watch)


def audit(
    answer: Callable[[Sequence[Image]], Logits],
    size: int,
    samples: Sequence[Sample],
    truth: Classes,
    labels: Sequence[str],
    watch: Watch = unwatched,
) -> list[dict[str, Any]]:
    """A row for each augmentation and strength, in the order above.

    Args:
        answer: logits (N, labels) of crops uint8 (size, size, 3); the model is not changed.
        samples, truth: at least one face, and its label, an index of `labels`.

    Returns:
        `augmentation`, `strength` (None for a recipe's set), `unit`; `agreement` with the answer to the unaltered
        face, its 95 % interval as `low` and `high`; `accuracy`; and `most_changed`, the label whose faces agree least.
    """
    crops = [whole_image(read_face(sample), size) for sample in watch(samples, desc="reading faces")]
    before = answer(crops).argmax(axis=1)
    rows = []
    for name, unit, strength, alter in watch(_steps(), desc="augmentations"):
        after = answer([alter(crop, place) for place, crop in enumerate(crops)]).argmax(axis=1)
        same = after == before
        estimate = share(int(same.sum()), len(same))
        by_label = {labels[k]: float(same[truth == k].mean()) for k in sorted(set(truth.tolist()))}
        least = min(by_label, key=lambda label: by_label[label])
        rows.append(
            {
                "augmentation": name,
                "strength": strength,
                "unit": unit,
                "agreement": estimate.value,
                "low": estimate.low,
                "high": estimate.high,
                "accuracy": float((after == truth).mean()),
                "most_changed": {"label": least, "agreement": by_label[least]},
            }
        )
    unaltered = {"accuracy": float((before == truth).mean()), "agreement": 1.0, "low": 1.0, "high": 1.0}
    first = {"augmentation": "none", "strength": None, "unit": "", **unaltered, "most_changed": None}
    return [first, *rows]


def _steps() -> list[tuple[str, str, float | None, Augment]]:
    """Name, unit, strength and function of every row; raises MissingExtra."""
    found: list[tuple[str, str, float | None, Augment]] = []
    for name in SETS:
        whole = build_augment(name)
        assert whole is not None
        found.append((name, "", None, whole))
    A = load("albumentations", "train")
    for name, (unit, build, strengths) in LADDERS.items():
        found += [(name, unit, strength, _alone(A, build(A, strength))) for strength in strengths]
    return found


def _alone(A: Any, transform: Any) -> Augment:
    compose = A.Compose([transform])

    def alter(image: Image, seed: int) -> Image:
        compose.set_random_seed(seed)
        return np.asarray(compose(image=image)["image"], np.uint8)

    return alter


def text(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as lines of text, in their order."""
    lines = [f"{'augmentation':32} {'agreement (95 %)':>24} {'accuracy':>9}  most changed"]
    for row in rows:
        strength = "" if row["strength"] is None else f" {row['strength']:g} {row['unit']}"
        agreement = f"{row['agreement']:.3f} ({row['low']:.3f} to {row['high']:.3f})"
        most = row["most_changed"]
        changed = f"{most['label']} {most['agreement']:.2f}" if most else "-"
        lines.append(f"{row['augmentation'] + strength:32} {agreement:>24} {row['accuracy']:9.3f}  {changed}")
    return "\n".join(lines)
