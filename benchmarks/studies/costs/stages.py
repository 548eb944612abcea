"""The stages of a frame, each as a pass that can be done again and again by whoever counts or times it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, count, repeat
from pathlib import Path

import numpy as np

from ....bundle import Image, face_crop, open_bundle
from ....devices.cpu import limit_threads
from ....errors import InputError
from ....runtime.build import PipelineOptions, pipeline_around
from ....runtime.inference.acceptance import golden_crops
from ....runtime.inference.classifier import Classifier, choose_artifact
from ....runtime.pipeline import Looked
from ....runtime.sources.video import VideoSource
from ....runtime.types import Face, Frame, Track
from ....runtime.vision.detectors import Detector, open_detector
from ....runtime.vision.landmarks import upright
from ....runtime.vision.quality_gate import unsuitable

WIDTH, HEIGHT = 640, 480
"""Of the frames: a clip is scaled to it while it is read, as for the published pipeline."""
Pass = Callable[[], object]


def capture(clip: Path, bundle: str) -> Pass:
    """One frame is decoded and scaled; a clip that has ended begins anew."""
    frames = _frames(clip)
    return lambda: next(frames)


def detect(clip: Path, bundle: str) -> Pass:
    """The whole picture is searched by YuNet at 320 pixels' width."""
    image, detector = _picture(clip), _yunet()
    return lambda: detector.detect(image)


def near(clip: Path, bundle: str) -> Pass:
    """The place of one known face is searched, as between two looks at the whole picture."""
    image, detector = _picture(clip), _yunet()
    box = _face(image, detector, clip).box
    return lambda: detector.near(image, [box])


def crop(clip: Path, bundle: str) -> Pass:
    """One face is cut out, its eyes level, and looked at by the quality gate."""
    image, size = _picture(clip), open_bundle(bundle).manifest.input.size
    face = _face(image, _yunet(), clip)

    def once() -> str:
        return unsuitable(face, face_crop(image[:, :, ::-1], face.box, size, upright(face)), (WIDTH, HEIGHT))

    return once


def infer(clip: Path, bundle: str) -> Pass:
    """One crop becomes probabilities, by the graph that `run` takes from the bundle on a processor, on one thread."""
    classifier = _classifier(bundle)
    batch = golden_crops(classifier.size, 1)
    return lambda: classifier.probabilities(batch)


def smooth(clip: Path, bundle: str) -> Pass:
    """One answer is smoothed and becomes an observation."""
    classifier = _classifier(bundle)
    pipeline = pipeline_around(classifier, PipelineOptions(detector="yunet"))
    answer = np.full(len(classifier.labels), 1 / len(classifier.labels), np.float32)
    image, track = np.zeros((HEIGHT, WIDTH, 3), np.uint8), Track(1, Face((200.0, 100.0, 120.0, 120.0), 0.9))
    numbers = count()

    def once() -> object:
        number = next(numbers)
        return pipeline.conclude(Looked(Frame(number, number / 12, image), [track], [image], [""]), [answer])

    return once


STAGES: dict[str, Callable[[Path, str], Pass]] = {
    "capture": capture, "detect": detect, "near": near, "crop": crop, "infer": infer, "smooth": smooth,
}  # fmt: skip
OF_THE_BUNDLE = ("crop", "infer", "smooth")
"""Stages whose cost depends on the bundle: on its input's size, its graph, its labels."""


def prepare(stage: str, clip: Path, bundle: str) -> Pass:
    """A stage with all that it needs opened, on one thread.

    Raises BundleError, SourceError; InputError: no face in the clip's first picture; DeviceNotFound: no YuNet.
    """
    limit_threads(1)
    return STAGES[stage](clip, bundle)


def scaled(image: Image) -> Image:
    """The picture at WIDTH x HEIGHT."""
    from ....opencv import cv2

    return np.asarray(cv2.resize(image, (WIDTH, HEIGHT)), np.uint8)


def _frames(clip: Path) -> Iterator[Image]:
    films = chain.from_iterable(VideoSource(path, threads=1) for path in repeat(clip))
    return (scaled(frame.image) for frame in films)


def _picture(clip: Path) -> Image:
    return next(_frames(clip))


def _classifier(bundle: str) -> Classifier:
    opened = open_bundle(bundle)
    return Classifier(opened, choose_artifact(opened))


def _yunet() -> Detector:
    return open_detector("yunet")[0]


def _face(image: Image, detector: Detector, clip: Path) -> Face:
    found = detector.detect(image)
    if not found:
        raise InputError(f"the first picture of {clip} has no face", hint="name a clip that begins with a face")
    return found[0]
