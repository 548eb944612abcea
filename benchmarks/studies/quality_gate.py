"""Where the quality gate's limits lie: accuracy on faces spoilt step by step, and what the gate keeps of them.

`python -m fer_edge.benchmarks.studies.quality_gate FACES`, a folder of labelled face crops. Two tables: each fault by
its strength, with the gate's share; and risk over coverage where every face has a fault of any strength, with the gate
and without.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ...bundle import Bundle, Image, open_bundle, softmax, whole_image
from ...runtime.inference.classifier import Classifier, choose_artifact
from ...runtime.types import Face
from ...runtime.vision.quality_gate import unsuitable
from ...train.data.corruptions import blur, light, low_resolution
from ...train.evaluation.evaluation import risk_coverage
from .labelled_faces import asked, labelled

SIDE = 112
"""Pixels at which faces are spoilt."""
FAULTS: dict[str, tuple[float, ...]] = {
    "pixels": (8, 10, 12, 14, 16, 20, 24, 32),
    "blur": (0.02, 0.03, 0.04, 0.06, 0.08, 0.1),
    "dark": (0.02, 0.04, 0.08, 0.15, 0.25),
    "glare": (1.5, 2, 2.5, 3, 4, 6),
    "cut off": (0.1, 0.2, 0.3, 0.4, 0.5),
}
"""Fault -> strengths: the face's width in pixels; sigma over the width; two gains of brightness; share of the width."""


@dataclass(frozen=True)
class Spoilt:
    """Faces with one fault each: the model's answers, the labels, and why the gate would not read them."""

    probabilities: NDArray[np.float32]
    truth: NDArray[np.int64]
    reasons: NDArray[np.str_]

    def kept(self) -> Spoilt:
        """What the gate lets pass."""
        good = self.reasons == ""
        return Spoilt(self.probabilities[good], self.truth[good], self.reasons[good])

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether the likeliest label is the true one."""
        return np.asarray(self.probabilities.argmax(axis=1) == self.truth)


def spoil(picture: Image, fault: str, strength: float) -> tuple[Image, Face]:
    """A face with a fault, and where it lies in its picture, of which it takes all; cut off, a part lies outside."""
    side = float(picture.shape[0])
    if fault == "cut off":
        shown = picture[:, : round(side * (1 - strength))]
        return np.pad(shown, ((0, 0), (0, picture.shape[1] - shown.shape[1]), (0, 0)), "edge"), Face(
            (side * strength, 0.0, side, side), 1.0
        )
    if fault == "pixels":
        return low_resolution(picture, int(strength)), Face((0.0, 0.0, strength, strength), 1.0)
    alter: dict[str, Callable[[Image, float], Image]] = {
        "blur": blur,
        "dark": partial(light, gamma=1.3),
        "glare": light,
    }
    return alter[fault](picture, strength), Face((0.0, 0.0, side, side), 1.0)


def answers(model: Classifier, faces: Sequence[tuple[Image, int]], faults: Sequence[tuple[str, float]]) -> Spoilt:
    """What the model and the gate say of faces, each with its own fault."""
    rows, reasons = [], []
    for (picture, _), (fault, strength) in zip(faces, faults, strict=True):
        altered, face = spoil(picture, fault, strength)
        crop = whole_image(altered, model.size)
        rows.append(model.logits(crop[None])[0])
        whole = int(max(face.box[2], 1))
        reasons.append(unsuitable(face, crop, (whole, whole)))
    return Spoilt(softmax(np.stack(rows)), np.array([label for _, label in faces]), np.array(reasons))


def curves(bundle: Bundle, faces: Sequence[tuple[Image, int]]) -> str:
    """Table: accuracy and confidence by fault and strength, and what the gate does not read."""
    model = Classifier(bundle, choose_artifact(bundle))
    lines = [f"{'fault':8} {'strength':>8} {'accuracy':>8} {'confidence':>10} {'not read':>8}  why"]
    for fault, strengths in FAULTS.items():
        for strength in strengths:
            found = answers(model, faces, [(fault, strength)] * len(faces))
            why = ", ".join(sorted({str(r) for r in found.reasons if r}))
            sure, left = found.probabilities.max(axis=1).mean(), (found.reasons != "").mean()
            lines.append(f"{fault:8} {strength:8g} {found.right.mean():8.3f} {sure:10.3f} {left:8.2f}  {why}")
    return "\n".join(lines)


def mixed(bundle: Bundle, faces: Sequence[tuple[Image, int]], seed: int = 0) -> str:
    """Table: risk over coverage with the gate and without, each face with a fault that the seed decides."""
    rng = np.random.default_rng(seed)
    every = [(fault, strength) for fault, strengths in FAULTS.items() for strength in strengths]
    found = answers(
        Classifier(bundle, choose_artifact(bundle)), faces, [every[i] for i in rng.integers(0, len(every), len(faces))]
    )
    lines = [f"{'':12} {'faces':>6} {'accuracy':>8} " + " ".join(f"{c:>8.0%}" for c in (0.5, 0.7, 0.9)) + "  area"]
    for name, some in (("without gate", found), ("with gate", found.kept())):
        _, risk = risk_coverage(some.probabilities, some.truth)
        at = " ".join(f"{risk[max(0, round(c * len(risk)) - 1)]:8.3f}" for c in (0.5, 0.7, 0.9))
        lines.append(f"{name:12} {len(risk):6} {some.right.mean():8.3f} {at} {risk.mean():5.3f}")
    refused = ~(found.reasons == "")
    lines.append(f"of the {refused.sum()} that are not read, {found.right[refused].mean():.3f} would have been right")
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> None:
    """Print both tables."""
    given = asked(__doc__, words, 1200)
    bundle, faces = open_bundle(given.bundle), labelled(given.faces, given.split, given.most, SIDE)
    print(curves(bundle, faces), mixed(bundle, faces), sep="\n\n")


if __name__ == "__main__":
    main()
