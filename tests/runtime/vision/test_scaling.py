"""Pictures made smaller as OpenCV makes them, and a run of a film that does without it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from fer_edge.bundle import Image
from fer_edge.runtime.sources.demo import WALL
from fer_edge.runtime.vision.scaling import STRIP, by_area, by_samples


@pytest.fixture(scope="module")
def picture() -> Image:
    return np.asarray(cv2.imread(str(WALL)), np.uint8)


def far(one: np.ndarray, other: np.ndarray) -> tuple[int, float]:
    """The largest distance of two pictures in grey levels, and the mean one."""
    assert one.shape == other.shape
    apart = np.abs(one.astype(int) - other.astype(int))
    return int(apart.max()), float(apart.mean())


@pytest.mark.parametrize("size", [(320, 150), (500, 300), (553, 276), (64, 64), (90, STRIP + 1), (1, 1), (1106, 552)])
def test_areas_are_those_of_opencv(picture: Image, size: tuple[int, int]) -> None:
    most, mean = far(by_area(picture, *size), cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
    assert most <= 1
    assert mean < 0.05, "or it rounds one way"


@pytest.mark.parametrize("side", [28, 100, 112, 150])
def test_grey_pictures_are_scaled_too_and_may_grow(picture: Image, side: int) -> None:
    grey = np.ascontiguousarray(picture[100:212, 150:262, 1])
    there = cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA)
    assert far(by_area(grey, side, side), there)[0] <= 1


@pytest.mark.parametrize("wide", [129, 200, 301, 500])
def test_samples_are_those_of_a_picture_of_twice_the_size(picture: Image, wide: int) -> None:
    part = picture[20 : 20 + wide, 150 : 150 + wide]
    double = cv2.resize(part, (128, 128), interpolation=cv2.INTER_LINEAR)
    most, mean = far(by_samples(part, 64, 64), cv2.resize(double, (64, 64), interpolation=cv2.INTER_AREA))
    assert most <= 2
    assert mean < 0.25


def test_one_level_stays_one_level() -> None:
    for level in (0, 1, 127, 255):
        flat = np.full((331, 217, 3), level, np.uint8)
        assert (by_area(flat, 97, 101) == level).all()
        assert (by_samples(flat, 97, 101) == level).all()
