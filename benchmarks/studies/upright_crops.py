"""What turning leaning faces upright does, and what a second look at the mirrored face would, on labelled faces.

`python -m fer_edge.benchmarks.studies.upright_crops FACES`, a folder of labelled face crops. Each is shown to the
detector on a border of its own edge pixels, as it would stand in a picture, and read as found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...bundle import Image
from ...runtime.build import PipelineOptions, build_pipeline
from ...runtime.inference.classifier import Classifier
from ...runtime.types import Face
from ...runtime.vision.landmarks import upright
from .labelled_faces import asked, labelled

SIDE, BORDER = 120, 52
"""Pixels of the face in its picture, and of what is around it."""
WAYS = ("as found", "upright", "mirrored too", "both")


def answers(classifier: Classifier, picture: Image, face: Face) -> NDArray[np.int64]:
    """The likeliest label in each of WAYS (4,); a mirrored look is averaged with the plain one."""
    plain = classifier.crop(picture, replace(face, landmarks=None))
    turned = classifier.crop(picture, face)
    crops = np.stack([plain, turned, plain[:, ::-1], turned[:, ::-1]])
    found = classifier.probabilities(np.ascontiguousarray(crops))
    return np.array([row.argmax() for row in (found[0], found[1], found[0] + found[2], found[1] + found[3])])


def study(bundle: str, folder: Path, split: str, most: int) -> str:
    """Table: accuracy, mean recall, and how many faces each way puts right and wrong; raises DatasetError."""
    built = build_pipeline(PipelineOptions(bundle=bundle, detector="yunet", threads=1))
    rows, truth, turned = [], [], 0
    for crop, label in labelled(folder, split, most, SIDE):
        picture = np.pad(crop, ((BORDER, BORDER), (BORDER, BORDER), (0, 0)), "edge")[:, :, ::-1]
        faces = built.pipeline.detector.detect(np.ascontiguousarray(picture))
        if faces:
            rows.append(answers(built.classifier, picture, faces[0]))
            truth.append(label)
            turned += bool(upright(faces[0]))
    built.classifier.close()
    return f"{len(truth)} faces found, {turned} of them leaning\n" + table(np.stack(rows), np.array(truth))


def table(guesses: NDArray[np.int64], truth: NDArray[np.int64]) -> str:
    """Of guesses (N, ways) and labels (N,)."""
    right = guesses == truth[:, None]
    lines = [f"{'':12} {'accuracy':>8} {'mean recall':>11} {'put right':>9} {'put wrong':>9}"]
    for name, good in zip(WAYS, right.T, strict=True):
        recall = np.mean([good[truth == label].mean() for label in np.unique(truth)])
        mended, spoilt = (good & ~right[:, 0]).sum(), (~good & right[:, 0]).sum()
        lines.append(f"{name:12} {good.mean():8.4f} {recall:11.4f} {mended:9} {spoilt:9}")
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    given = asked(__doc__, words, 3000)
    print(study(given.bundle, given.faces, given.split, given.most))


if __name__ == "__main__":
    main()
