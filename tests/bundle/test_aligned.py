"""A leaning face is turned upright before it is cut out."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from fer_edge.bundle.preprocess import aligned, face_crop, roll_of
from fer_edge.errors import InputError

BOX = (60.0, 50.0, 80.0, 80.0)
EYES = np.array([[85, 80], [115, 80], [100, 95], [88, 110], [112, 110]], np.float32)


def leaning(degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """A soft picture and its landmarks, turned about the middle of BOX to the clockwise side."""
    upright = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 255, (180, 200, 3), dtype=np.uint8), (0, 0), 6)
    upright = cv2.normalize(upright, np.empty_like(upright), 0, 255, cv2.NORM_MINMAX)
    move = cv2.getRotationMatrix2D((100, 90), -degrees, 1)
    turned = cv2.warpAffine(upright, move, (200, 180), borderMode=cv2.BORDER_REPLICATE)
    return turned, (EYES @ move[:, :2].T + move[:, 2]).astype(np.float32)


@pytest.mark.parametrize("degrees", [-30, -5, 0, 12, 40])
def test_the_crop_is_that_of_the_upright_face(degrees: float) -> None:
    picture, landmarks = leaning(degrees)
    assert roll_of(landmarks) == pytest.approx(degrees, abs=0.01)
    wanted = face_crop(leaning(0)[0], BOX, 56).astype(int)
    error = np.abs(aligned(picture, BOX, landmarks, 56) - wanted).mean()
    assert error < 3
    if degrees:
        assert error < np.abs(face_crop(picture, BOX, 56) - wanted).mean() / 3


@pytest.mark.parametrize("landmarks", [EYES[[1, 0, 2, 3, 4]], np.full((5, 2), np.nan, np.float32)])
def test_landmarks_that_cannot_be_are_not_followed(landmarks: np.ndarray) -> None:
    picture = leaning(0)[0]
    assert (aligned(picture, BOX, landmarks, 56) == face_crop(picture, BOX, 56)).all()


def test_a_box_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="positive, finite size"):
        aligned(leaning(0)[0], (0, 0, float("inf"), 10), EYES, 56)
