"""What flows through the pipeline."""

from __future__ import annotations

from dataclasses import dataclass

from ..bundle import Image

Box = tuple[float, float, float, float]
"""Left, top, width, height in pixels of the full frame; may reach outside it."""
Landmarks = tuple[tuple[float, float], ...]
"""x, y in pixels of five points: the eye on the picture's left, the other eye, the nose's tip, the mouth's corners."""


@dataclass(frozen=True)
class Frame:
    """One picture of a source.

    Attributes:
        index: counted from 0.
        time_s: seconds since the source began.
        image: uint8 H x W x 3, in OpenCV's order BGR.
        name: of the file, where the frame is a picture of its own.
    """

    index: int
    time_s: float
    image: Image
    name: str = ""


@dataclass(frozen=True)
class Stamped:
    """A frame, and the monotonic second at which it was captured."""

    frame: Frame
    at_s: float


@dataclass(frozen=True)
class Face:
    """A detected face: a square box framed like the training pictures, the detector's score, and perhaps landmarks."""

    box: Box
    score: float
    landmarks: Landmarks | None = None


@dataclass(frozen=True)
class Track:
    """A face followed from frame to frame; the number means nothing beyond this run."""

    number: int
    face: Face


@dataclass(frozen=True)
class Smoothed:
    """A smoother's answer: a label or `uncertain`, and a confidence 0..1."""

    label: str
    confidence: float


@dataclass(frozen=True)
class Observation:
    """What was seen of one face in one frame.

    Attributes:
        frame: index of the frame.
        time_s: seconds since the source began.
        track: number of the track.
        label: smoothed expression, `uncertain`, or `unsuitable` of a face that was not read.
        confidence: of the smoothed label, 0..1.
        raw_label: most probable expression in this frame alone; `unsuitable` likewise.
        probabilities: of this frame alone, in the bundle's label order, summing to 1; empty where it is `unsuitable`.
        box: of the face.
        reason: why the face is `unsuitable`; else empty.
        subject: of a study, whose face it is; else empty.
    """

    frame: int
    time_s: float
    track: int
    label: str
    confidence: float
    raw_label: str
    probabilities: tuple[float, ...]
    box: Box
    reason: str = ""
    subject: str = ""
