"""What five points of a face say of how the head is held: roll, yaw and pitch."""

from __future__ import annotations

import math

from ..types import Face, Landmarks

LEAST_ROLL, MOST_ROLL = 3, 60
"""Degrees; beyond these a face is left as it is. YuNet sees a part of a lean only, the less the smaller the face. Yet
of 2,570 validation faces of FER+ that it finds, turning those of 3 degrees and more, 27 %, put 33 right and 12 wrong
(all: 51 and 26, at the price of a second crop for every face); half as much again, or twice, is worse."""


def roll_of(landmarks: Landmarks) -> float:
    """Degrees by which the face leans clockwise in the picture, by its eyes; 0 where they lie level."""
    (left, above), (right, below) = landmarks[:2]
    return math.degrees(math.atan2(below - above, right - left))


def upright(face: Face) -> int:
    """Whole degrees by which `face_crop` is to turn this face's box; 0 without landmarks, or where they do not say."""
    roll = round(roll_of(face.landmarks)) if face.landmarks else 0
    return roll if LEAST_ROLL <= abs(roll) <= MOST_ROLL else 0


def yaw_and_pitch(landmarks: Landmarks) -> tuple[float, float]:
    """How far the head is turned, by where the tip of the nose lies between eyes and mouth.

    Returns:
        yaw: the nose's way to the side from the middle of the four other points, over the larger of the distances from
            eye to eye and from eyes to mouth; 0 from the front, either sign.
        pitch: the nose's way down from the eyes to the mouth, about 0.55 from the front, less for a head thrown back.
    """
    eye, other, nose, corner, far_corner = landmarks
    eyes, mouth = _between(eye, other), _between(corner, far_corner)
    apart = math.dist(eye, other) or 1e-6
    across = ((other[0] - eye[0]) / apart, (other[1] - eye[1]) / apart)
    down = (-across[1], across[0])
    height = _along(eyes, mouth, down)
    if height <= 0:
        return 1.0, 0.5  # a mouth above the eyes is no face that is seen from the front
    return _along(_between(eyes, mouth), nose, across) / max(apart, height), _along(eyes, nose, down) / height


def _between(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2


def _along(a: tuple[float, float], b: tuple[float, float], way: tuple[float, float]) -> float:
    return (b[0] - a[0]) * way[0] + (b[1] - a[1]) * way[1]
