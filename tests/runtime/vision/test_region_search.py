"""Faces sought where they are known to be, between looks at the whole picture; and inferences as seldom as asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice, pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from fer_edge.benchmarks.studies.region_search import compare
from fer_edge.bundle import Bundle, Image
from fer_edge.runtime.inference.classifier import Classifier, choose_artifact
from fer_edge.runtime.pipeline import Pipeline
from fer_edge.runtime.sources import open_source
from fer_edge.runtime.sources.demo import HIGH, PLACES, WALL, WIDE
from fer_edge.runtime.types import Box, Face, Frame
from fer_edge.runtime.vision.detectors import Detector, open_detector
from fer_edge.runtime.vision.detectors.detector import DOUBTFUL, SCORE, region
from fer_edge.runtime.vision.region_search import MOST_PLACES, WHOLE_S, RegionSearch
from fer_edge.runtime.vision.smoothing import ExponentialSmoother
from fer_edge.runtime.vision.tracker import overlap

Portrait = tuple[int, int, int]
"""Which of the two, and its left and top: 112 pixels high, with a face of 40 in the middle of its upper half."""
TALL, BROAD = 112, round(112 * WIDE / HIGH)
SIZE = (320, 240)


@pytest.fixture(scope="module")
def portraits() -> list[Image]:
    wall = cv2.imread(str(WALL))
    cut = [wall[top : top + HIGH, left : left + WIDE] for left, top in PLACES]
    return [np.asarray(cv2.resize(p, (BROAD, TALL), interpolation=cv2.INTER_AREA), np.uint8) for p in cut]


@pytest.fixture
def shown(portraits: list[Image]) -> Callable[..., Image]:
    """Draws portraits on a grey wall, the later ones before the earlier; they may reach out of the picture."""

    def draw(*there: Portrait, size: tuple[int, int] = SIZE) -> Image:
        wall = np.full((size[1] + 2 * TALL, size[0] + 2 * TALL, 3), 128, np.uint8)
        for which, left, top in there:
            wall[top + TALL : top + 2 * TALL, left + TALL : left + TALL + BROAD] = portraits[which]
        return np.ascontiguousarray(wall[TALL : TALL + size[1], TALL : TALL + size[0]])

    return draw


class Watched:
    """A detector that notes the frames at which it looked at the whole picture."""

    def __init__(self, detector: Detector) -> None:
        self.name, self.detector = detector.name, detector
        self.frame, self.whole = 0, list[int]()

    def detect(self, image: Image, least: float = SCORE) -> list[Face]:
        self.whole.append(self.frame)
        return self.detector.detect(image, least)

    def near(self, image: Image, boxes: Sequence[Box]) -> list[list[Face]]:
        return self.detector.near(image, boxes)


def follow(
    pictures: Sequence[Image], fps: float = 30, detector: str = "yunet", every: int = 0, most: int = 0
) -> tuple[list[list[Face]], list[int]]:
    """The faces of each picture, and the pictures of which the whole was looked at."""
    watched = Watched(open_detector(detector)[0])
    search, found = RegionSearch(watched, every, most), []
    for watched.frame, picture in enumerate(pictures):
        found.append(search.find(picture, watched.frame / fps))
    return found, watched.whole


def same(found: Sequence[Face], plain: Sequence[Face]) -> bool:
    """Whether the same faces are at the same places."""
    return len(found) == len(plain) and all(max(overlap(f.box, p.box) for f in found) >= 0.6 for p in plain)


@pytest.mark.parametrize(("detector", "left"), [("yunet", 125), ("haar", 10)])
def test_a_face_that_moves_is_found_at_every_step(
    shown: Callable[..., Image], yunet: Path, detector: str, left: int
) -> None:
    """Fast, and YuNet's to the picture's edge; at 30 frames a second every ninth picture is looked at whole."""
    film = [shown((0, left + 9 * n, 40 + 3 * n)) for n in range(14)]
    found, whole = follow(film, detector=detector)
    assert whole == [0, 9]
    plain, _ = follow(film, every=1, detector=detector)
    assert all(map(same, found, plain))
    if detector == "yunet":
        apart = [np.subtract(f[0].landmarks, p[0].landmarks) for f, p in zip(found, plain, strict=True)]
        assert np.abs(apart).max() < 5
    assert follow(film, detector=detector)[0] == found


@pytest.mark.parametrize("fps", [2, 5, 12, 30, 60])
def test_a_new_face_is_seen_in_time_at_any_frame_rate(shown: Callable[..., Image], yunet: Path, fps: int) -> None:
    """Beside one that is known: it is there from the second picture on, just after the whole was looked at."""
    alone, both = shown((0, 10, 60)), shown((0, 10, 60), (1, 190, 60))
    found, _ = follow([alone, *[both] * fps], fps)
    first = next(n for n, faces in enumerate(found) if len(faces) == 2)
    assert (first - 1) / fps < WHOLE_S


def test_one_who_leaves_is_gone_at_once_and_the_other_stays(shown: Callable[..., Image], yunet: Path) -> None:
    film = [shown((0, 10, 60), (1, 190, 60))] * 3 + [shown((1, 190, 60))] * 5 + [shown()] * 4
    found, whole = follow(film)
    assert [len(faces) for faces in found] == [2] * 3 + [1] * 5 + [0] * 4
    assert whole == [0, 3, 8]  # the second and the third time because one was missed


def test_faces_that_cross_are_two_before_and_after(shown: Callable[..., Image], yunet: Path) -> None:
    """The half of a face that the other one's region shows is no face; one that was hidden is seen again in time."""
    film = [shown((0, 10 + 8 * n, 50), (1, 200 - 8 * n, 70)) for n in range(26)]
    found, plain = follow(film)[0], follow(film, every=1)[0]
    hidden = next(n for n, faces in enumerate(plain) if len(faces) == 1)
    again = next(n for n, faces in enumerate(plain) if n > hidden and len(faces) == 2)
    alike = list(map(same, found, plain))
    assert all(alike[:again])
    assert all(alike[again + int(WHOLE_S * 30) :])
    assert sum(map(len, found)) <= sum(map(len, plain))


def test_after_a_cut_the_faces_are_those_of_the_new_scene(shown: Callable[..., Image], yunet: Path) -> None:
    """Elsewhere, nobody, somebody else at the same place, pictures of another size; each from its first frame on."""
    scenes = [
        shown((0, 10, 60)),
        shown((1, 200, 90)),
        shown((0, 195, 90)),
        shown(),
        shown((0, 20, 20), size=(240, 180)),
    ]
    found, _ = follow([scene for scene in scenes for _ in range(3)])
    plain, _ = follow(scenes, every=1)
    assert all(same(faces, plain[n // 3]) for n, faces in enumerate(found))


def test_pictures_that_do_not_follow_each_other_are_each_looked_at(shown: Callable[..., Image], yunet: Path) -> None:
    detector = Watched(open_detector("yunet")[0])
    search = RegionSearch(detector, every=100)
    for time_s in (0.0, 10.0, 20.0, 5.0, 5.0, 5.1):
        search.find(shown((0, 10, 60)), time_s)
    assert len(detector.whole) == 5  # all but the last, which follows


def test_every_nth_picture_whole_and_the_best_faces_only(shown: Callable[..., Image], yunet: Path) -> None:
    film = [shown((0, 10, 60), (1, 190, 60))] * 10
    assert follow(film, every=4)[1] == [0, 4, 8]
    best, _ = follow(film, most=1)
    assert all(same(faces, best[0]) and len(faces) == 1 for faces in best)


class Told:
    """A detector that finds what it is told to."""

    name = "told"

    def __init__(self, *scores: float) -> None:
        self.faces = [Face((100.0 * n, 50.0, 40.0, 40.0), score) for n, score in enumerate(scores)]
        self.whole = 0

    def detect(self, image: Image, least: float = SCORE) -> list[Face]:
        self.whole += 1
        return [face for face in self.faces if face.score >= least]

    def near(self, image: Image, boxes: Sequence[Box]) -> list[list[Face]]:
        return [[face for face in self.faces if overlap(face.box, box) and face.score >= DOUBTFUL] for box in boxes]


def test_a_doubtful_face_is_none_until_it_is_found_and_stays_until_the_whole_is_seen() -> None:
    blank = np.zeros((240, 320, 3), np.uint8)
    told, search = Told(0.5), RegionSearch(detector := Told(0.5))
    assert search.find(blank, 0) == []
    detector.faces = Told(0.7).faces
    assert search.find(blank, 0.1) == detector.faces  # its place was looked at
    detector.faces = told.faces
    assert search.find(blank, 0.2) == told.faces
    assert detector.whole == 1
    assert search.find(blank, 0.3) == []


def test_a_crowd_is_looked_at_whole() -> None:
    search = RegionSearch(detector := Told(*[0.9] * (MOST_PLACES + 1)))
    for number in range(5):
        assert len(search.find(np.zeros((240, 320, 3), np.uint8), number / 30)) == MOST_PLACES + 1
    assert detector.whole == 5


def test_a_region_that_reaches_out_of_the_picture_is_black_there() -> None:
    picture = np.arange(1, 65, dtype=np.uint8).reshape(8, 8)[:, :, None].repeat(3, axis=2)
    corner = region(picture, (-2.0, -2.0, 4.0, 4.0), 4, 1.0)
    assert (corner.left, corner.top, corner.scale) == (-2, -2, 1.0)
    assert corner.part[:, :, 0].tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 2], [0, 0, 9, 10]]
    assert not region(picture, (40.0, -30.0, 4.0, 4.0), 4, 1.0).part.any()
    half = region(picture, (0.0, 0.0, 4.0, 4.0), 4, 0.5, step=2)
    assert (half.left % 4, half.top % 4, half.scale, half.part.shape) == (0, 0, 0.5, (4, 4, 3))


@pytest.mark.parametrize("name", ["walking", "female-and-male", "detection-male", "hungry", "walk.mkv"])
def test_faces_are_followed_on_real_clips(clips: Path, yunet: Path, name: str) -> None:
    """As every-frame detection sees them; tiny faces of doubtful labels as it sees them itself one pixel aside."""
    (clip,) = clips.glob(f"*{name}*")
    alike, itself, _ = compare(list(open_source(str(clip))))
    assert alike.boxes >= 0.99 * alike.faces
    assert alike.labels / alike.faces >= min(0.985, itself.labels / itself.faces - 0.05)
    assert max(alike.delays_s.values()) < WHOLE_S
    assert all(alike.lives_s[track] < WHOLE_S for track in alike.lives_s.keys() - alike.delays_s)


def test_inference_as_often_as_asked(bundle: Bundle, clip: Path, yunet: Path) -> None:
    """At 12.5 frames a second every third frame is classified when 0.2 s are to lie between."""
    classifier = Classifier(bundle, choose_artifact(bundle))
    smoother = ExponentialSmoother(bundle.labels)
    pipeline = Pipeline(open_detector("yunet")[0], classifier, smoother, infer_every_s=0.2)
    source = open_source(str(clip))
    seen = [pipeline.process(frame) for frame in islice(source, 31)]
    source.close()
    observed = [f[0] for f in seen if f]
    assert len(observed) == -(-len(seen) // 3)
    assert all(b.time_s - a.time_s >= 0.2 for a, b in pairwise(observed))
    assert pipeline.tally.faces == len(seen)  # every one was seen
    assert {o.track for o in observed} == {1}
    assert max({o.label for o in observed}, key=[o.label for o in observed].count) == "happy"


def test_frames_without_faces_cost_no_detection_between(bundle: Bundle, yunet: Path) -> None:
    detector = Watched(open_detector("yunet")[0])
    classifier = Classifier(bundle, choose_artifact(bundle))
    pipeline = Pipeline(detector, classifier, ExponentialSmoother(bundle.labels), detect_every=3)
    blank = [Frame(i, i / 25, np.full((120, 160, 3), 128, np.uint8)) for i in range(9)]
    assert all(pipeline.process(frame) == () for frame in blank)
    assert len(detector.whole) == 3
