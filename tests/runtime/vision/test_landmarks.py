"""Five points of a face: how the head is held, and the crop that is turned upright by them."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from fer_edge.bundle import Bundle, Image, face_crop
from fer_edge.runtime.build import PipelineOptions, build_pipeline
from fer_edge.runtime.classify import classify
from fer_edge.runtime.sources.demo import DemoSource
from fer_edge.runtime.types import Box, Face, Landmarks
from fer_edge.runtime.vision.detectors.detector import moved
from fer_edge.runtime.vision.landmarks import roll_of, upright, yaw_and_pitch

BOX: Box = (60.0, 50.0, 80.0, 80.0)
FRONT: Landmarks = ((85.0, 80.0), (115.0, 80.0), (100.0, 96.5), (88.0, 110.0), (112.0, 110.0))


def soft() -> Image:
    noise = np.random.default_rng(1).integers(0, 255, (180, 200, 3), dtype=np.uint8)
    smooth = cv2.GaussianBlur(noise, (0, 0), 6)
    return np.asarray(cv2.normalize(smooth, np.empty_like(smooth), 0, 255, cv2.NORM_MINMAX), np.uint8)


def leaning(degrees: float) -> tuple[Image, Landmarks]:
    """A picture and its landmarks, turned clockwise about the middle of BOX."""
    move = cv2.getRotationMatrix2D((99.5, 89.5), -degrees, 1)  # pixel centres lie half a pixel beside the edges
    turned = cv2.warpAffine(soft(), move, (200, 180), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    points = np.asarray(FRONT) @ move[:, :2].T + move[:, 2]
    return np.asarray(turned, np.uint8), tuple((float(x), float(y)) for x, y in points)


@pytest.mark.parametrize("degrees", [-60, -30, -5, 3, 12, 40])
def test_a_leaning_face_gives_the_crop_of_the_upright_one(degrees: int) -> None:
    picture, points = leaning(degrees)
    assert roll_of(points) == pytest.approx(degrees, abs=0.01)
    assert upright(Face(BOX, 1.0, points)) == degrees
    wanted = face_crop(soft(), BOX, 56).astype(int)
    error = np.abs(face_crop(picture, BOX, 56, degrees) - wanted).mean()
    assert error < 2
    assert error < np.abs(face_crop(picture, BOX, 56) - wanted).mean() / 3


@pytest.mark.parametrize("points", [None, leaning(2)[1], leaning(75)[1], (FRONT[1], FRONT[0], *FRONT[2:])])
def test_what_does_not_say_how_it_leans_is_left(points: Landmarks | None) -> None:
    """No landmarks, a wavering of some degrees, a face that lies, and eyes that were taken for each other."""
    assert upright(Face(BOX, 1.0, points)) == 0


def test_a_turned_box_may_reach_outside() -> None:
    crop = face_crop(np.full((40, 40, 3), 200, np.uint8), (-30.0, -30.0, 50.0, 50.0), 48, 33)
    assert crop.shape == (48, 48, 3)
    assert (crop == 200).all()


def test_from_the_front_and_from_the_side() -> None:
    yaw, pitch = yaw_and_pitch(FRONT)
    assert (yaw, pitch) == pytest.approx((0, 0.55), abs=1e-9)
    for degrees in (-35, 20):  # however the head leans
        assert yaw_and_pitch(leaning(degrees)[1]) == pytest.approx((0, 0.55), abs=1e-6)
    aside = tuple((x + 15 * (i == 2), y) for i, (x, y) in enumerate(FRONT))
    assert yaw_and_pitch(aside)[0] == pytest.approx(0.5)
    upside_down = tuple((x, 180 - y) for x, y in FRONT)
    assert yaw_and_pitch(upside_down)[0] == 1.0
    assert all(map(math.isfinite, yaw_and_pitch(((1.0, 1.0),) * 5)))


def test_landmarks_move_with_their_box() -> None:
    face = moved(Face(BOX, 1.0, FRONT), 12, 5)
    assert face.box == (72, 55, 80, 80)
    assert face.landmarks
    assert np.allclose(np.subtract(face.landmarks, FRONT), (12, 5))


def test_a_head_that_leans_reads_as_it_does_upright(bundle: Bundle, yunet: Path) -> None:
    """The demo's portrait, leaning by 25 degrees, of which YuNet sees a part: the same smile, as sure as upright."""
    picture = next(iter(DemoSource(0.1))).image
    height, width = picture.shape[:2]
    (plain,) = classify(picture, detect=True)
    x, y = plain.box[0] + plain.box[2] / 2, plain.box[1] + plain.box[3] / 2
    for degrees in (-25, 25):
        move = cv2.getRotationMatrix2D((x, y), -degrees, 1)
        turned = np.asarray(cv2.warpAffine(picture, move, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8)
        (face,) = build_pipeline(PipelineOptions()).pipeline.detector.detect(turned)
        assert upright(face) * degrees > 0
        (leant,) = classify(turned, detect=True)
        assert leant.label == plain.label
        assert leant.confidence == pytest.approx(plain.confidence, abs=0.15)
