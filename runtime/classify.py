"""Pictures that are in memory already: each classified as one face, or searched for faces first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..bundle import Bundle, Image
from ..bundle.resting import RestingProfile
from ..errors import InputError, UsageError
from .build import PipelineOptions, build_pipeline
from .types import Box


@dataclass(frozen=True)
class FaceExpression:
    """What one face shows.

    Attributes:
        image: index of its picture in what was given.
        label: the most probable expression.
        confidence: its probability, 0..1.
        probabilities: of every label of the bundle, summing to 1.
        box: left, top, width, height in pixels; of the whole picture where no face was looked for.
    """

    image: int
    label: str
    confidence: float
    probabilities: dict[str, float]
    box: Box


def classify(
    images: Image | Sequence[Image],
    *,
    bundle: Bundle | Path | str | None = None,
    device: str = "cpu",
    detect: bool = False,
    color: str = "bgr",
    resting: RestingProfile | Path | str | None = None,
) -> list[FaceExpression]:
    """Expressions in pictures, without tracking or smoothing.

    Args:
        images: uint8 H x W x 3 (or H x W, grey), one or several; H x W need not be equal.
        bundle: an opened one, a folder or .zip, the name of one that ships, or None for the default.
        device: a name of `fer-edge devices`.
        detect: look for faces first, and give none or several a picture; otherwise a picture is one face, as a crop is.
        color: bgr, as OpenCV reads them, or rgb, as PIL does.
        resting: the person's face at rest, which is taken off: a picture or a folder of them, a session, a profile or
            its name.

    Raises:
        InputError: a picture of another kind; UsageError: `resting` needs a film; other kinds as `build_pipeline`.
    """
    pictures = [as_bgr(i, color) for i in ([images] if isinstance(images, np.ndarray) else images)]
    built = build_pipeline(PipelineOptions(bundle=bundle, device=device, resting=resting))
    detector, classifier, rest = built.pipeline.detector, built.classifier, built.pipeline.resting
    try:
        if rest and rest.timed:
            raise UsageError(f"resting={resting!r} needs a film: pictures have no first seconds")
        found: list[FaceExpression] = []
        for number, picture in enumerate(pictures):
            boxes = [f.box for f in detector.detect(picture)] if detect else [_whole(picture)]
            if not boxes:
                continue
            rows = classifier.probabilities(np.stack([classifier.crop(picture, box) for box in boxes]))
            for box, row in zip(boxes, rows, strict=True):
                row = rest.take_off(0, 0.0, row) if rest else row
                top = int(row.argmax())
                named = dict(zip(classifier.labels, map(float, row), strict=True))
                found.append(FaceExpression(number, classifier.labels[top], float(row[top]), named, box))
        return found
    finally:
        classifier.close()


def as_bgr(image: Image, color: str) -> Image:
    """A picture in OpenCV's order; raises InputError for what is none."""
    if color not in ("bgr", "rgb"):
        raise InputError(f"color is bgr or rgb, not {color!r}")
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.size == 0:
        raise InputError(
            "a picture is an array of uint8, H x W x 3 or H x W",
            cause="floats from 0 to 1 are to be multiplied by 255 and rounded first",
        )
    if image.ndim == 2:
        return np.repeat(image[:, :, None], 3, axis=2)
    if image.ndim != 3 or image.shape[2] != 3:
        raise InputError(f"a picture has the shape H x W x 3 or H x W, not {image.shape}")
    return image if color == "bgr" else image[:, :, ::-1]


def _whole(picture: Image) -> Box:
    return 0.0, 0.0, float(picture.shape[1]), float(picture.shape[0])
