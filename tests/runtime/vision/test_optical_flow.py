"""Faces followed between detections, and inferences as seldom as asked."""

from __future__ import annotations

from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from fer_edge.bundle import Bundle
from fer_edge.runtime.inference.classifier import Classifier, choose_artifact
from fer_edge.runtime.pipeline import Pipeline
from fer_edge.runtime.sources import open_source
from fer_edge.runtime.types import Face, Frame, Observation, Track
from fer_edge.runtime.vision.detectors import open_detector
from fer_edge.runtime.vision.optical_flow import OpticalFlow
from fer_edge.runtime.vision.smoothing import ExponentialSmoother
from fer_edge.runtime.vision.tracker import overlap
from support.kiosks import cache_with


def counting_pipeline(bundle: Bundle, **work: float) -> tuple[Pipeline, list[int]]:
    """A pipeline, and a list with how often its detector looked."""
    detector = open_detector("yunet")[0]
    looks, plain = [0], detector.detect

    def counted(image: np.ndarray) -> list[Face]:
        looks[0] += 1
        return plain(image)

    detector.detect = counted  # type: ignore[method-assign]
    classifier = Classifier(bundle, choose_artifact(bundle))
    return Pipeline(detector, classifier, ExponentialSmoother(bundle.labels), **work), looks  # type: ignore[arg-type]


def watch(
    bundle: Bundle, clip: Path, count: int | None = None, **work: float
) -> tuple[list[tuple[Observation, ...]], Pipeline, int]:
    """Observations of each of the first frames (None: all), the pipeline, and how often the detector looked."""
    pipeline, looks = counting_pipeline(bundle, **work)
    source = open_source(str(clip))
    seen = [pipeline.process(frame) for frame in islice(source, count)]
    source.close()
    return seen, pipeline, looks[0]


@pytest.fixture(scope="module")
def plain(
    bundle: Bundle, clip: Path, yunet_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[Observation, ...]]:
    """What is seen with a detection and an inference in every frame."""
    with cache_with(yunet_file, tmp_path_factory.mktemp("cache")):
        seen, _, looks = watch(bundle, clip)
    assert looks == len(seen)
    return seen


@pytest.mark.parametrize("every", [2, 3, 5])
def test_faces_are_followed_between_detections(
    bundle: Bundle, clip: Path, yunet: Path, plain: list[tuple[Observation, ...]], every: int
) -> None:
    """A man turning his head: the same face under the same number, and a detector that looks every n-th time."""
    seen, _, looks = watch(bundle, clip, detect_every=every)
    assert looks == -(-len(plain) // every)
    assert {o.track for frame in seen for o in frame} == {1}
    for now, before in zip(seen, plain, strict=True):
        assert overlap(now[0].box, before[0].box) > 0.85
    assert [f[0].label for f in seen] == [f[0].label for f in plain]
    again, _, _ = watch(bundle, clip, count=20, detect_every=every)
    assert again == seen[:20]


def test_a_lost_face_is_looked_for_at_once(bundle: Bundle, clip: Path, yunet: Path) -> None:
    frames = list(open_source(str(clip)))
    follower = OpticalFlow()
    follower.seed(frames[0].image, [Track(1, Face((200.0, 60.0, 100.0, 100.0), 0.9))])
    assert follower.step(np.zeros_like(frames[0].image)) is None
    follower.seed(frames[0].image, [Track(1, Face((200.0, 60.0, 100.0, 100.0), 0.9))])
    assert follower.step(frames[0].image[:100, :333]) is None  # the camera changed its resolution
    follower.seed(frames[0].image, [])
    assert follower.step(frames[1].image) == []


def test_a_shifted_and_grown_picture_moves_the_box(clip: Path) -> None:
    import cv2

    image = next(iter(open_source(str(clip)))).image
    box = (220.0, 40.0, 110.0, 110.0)
    follower = OpticalFlow()
    follower.seed(image, [Track(3, Face(box, 0.9))])
    matrix = np.array([[1.04, 0, 5.0], [0, 1.04, 3.0]], np.float32)
    moved = follower.step(np.asarray(cv2.warpAffine(image, matrix, image.shape[1::-1]), np.uint8))
    assert moved is not None
    wanted = (1.04 * box[0] + 5, 1.04 * box[1] + 3, 1.04 * box[2], 1.04 * box[3])
    assert moved[0].number == 3
    assert moved[0].face.box == pytest.approx(wanted, abs=3)


def test_inference_as_often_as_asked(bundle: Bundle, clip: Path, yunet: Path) -> None:
    """At 12.5 frames a second every third frame is classified when 0.2 s are to lie between."""
    seen, pipeline, _ = watch(bundle, clip, infer_every_s=0.2)
    observed = [f[0] for f in seen if f]
    assert len(observed) == -(-len(seen) // 3)
    assert all(b.time_s - a.time_s >= 0.2 for a, b in pairwise(observed))
    assert pipeline.tally.faces == len(seen)  # every one was seen
    assert max({o.label for o in observed}, key=[o.label for o in observed].count) == "happy"


def test_frames_without_faces_cost_no_detection_between(bundle: Bundle, yunet: Path) -> None:
    blank = [Frame(i, i / 25, np.full((120, 160, 3), 128, np.uint8)) for i in range(9)]
    pipeline, looks = counting_pipeline(bundle, detect_every=3)
    assert all(pipeline.process(frame) == () for frame in blank)
    assert looks[0] == 3
