"""Pictures that are in memory already: each classified as one face, or searched for faces first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..bundle import Bundle, Image
from ..bundle.resting import RestingProfile
from ..errors import InputError, UsageError
from .build import PipelineOptions, build_pipeline
from .types import Box, Face
from .vision.quality_gate import UNSUITABLE, unsuitable


@dataclass(frozen=True)
class FaceExpression:
    """What one face shows.

    Attributes:
        image: index of its picture in what was given.
        label: the most probable expression, or `unsuitable` of a face that was not read.
        confidence: its probability, 0..1.
        probabilities: of every label of the bundle, summing to 1; empty where it is `unsuitable`.
        box: left, top, width, height in pixels; of the whole picture where no face was looked for.
        reason: why it is `unsuitable`; else empty.
    """

    image: int
    label: str
    confidence: float
    probabilities: dict[str, float]
    box: Box
    reason: str = ""


def classify(
    images: Image | Sequence[Image],
    *,
    bundle: Bundle | Path | str | None = None,
    device: str = "cpu",
    detect: bool = False,
    color: str = "bgr",
    resting: RestingProfile | Path | str | None = None,
    quality_gate: bool = True,
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
        quality_gate: faces that cannot be read are `unsuitable`; False reads every one.

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
            faces = detector.detect(picture) if detect else [_whole(picture)]
            crops = [classifier.crop(picture, face) for face in faces]
            size = (picture.shape[1], picture.shape[0])
            why = [unsuitable(f, crop, size) if quality_gate else "" for f, crop in zip(faces, crops, strict=True)]
            fit = [crop for crop, reason in zip(crops, why, strict=True) if not reason]
            rows = iter(classifier.probabilities(np.stack(fit)) if fit else ())
            for face, reason in zip(faces, why, strict=True):
                row = None if reason else next(rows)
                row = rest.take_off(0, 0.0, row) if rest and row is not None else row
                found.append(_expression(number, face, classifier.labels, row, reason))
        return found
    finally:
        classifier.close()


def _expression(
    number: int, face: Face, labels: Sequence[str], row: NDArray[np.float32] | None, reason: str
) -> FaceExpression:
    if row is None:
        return FaceExpression(number, UNSUITABLE, 0.0, {}, face.box, reason)
    top = int(row.argmax())
    named = dict(zip(labels, map(float, row), strict=True))
    return FaceExpression(number, labels[top], float(row[top]), named, face.box)


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


def _whole(picture: Image) -> Face:
    return Face((0.0, 0.0, float(picture.shape[1]), float(picture.shape[0])), 1.0)
