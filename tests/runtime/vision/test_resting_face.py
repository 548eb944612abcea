"""The resting face: what a person's face says when nothing happens is taken off what it says now."""

from __future__ import annotations

import math

import numpy as np
import pytest
from fer_edge.bundle import LABELS
from fer_edge.runtime.vision.resting_face import MAX_HELD, MAX_TRACKS, RestingFace

SAD, NEUTRAL, HAPPY = LABELS.index("sad"), LABELS.index("neutral"), LABELS.index("happy")


def row(**shares: float) -> np.ndarray:
    """Probabilities; what is not named shares the rest."""
    rest = (1 - sum(shares.values())) / (len(LABELS) - len(shares))
    return np.array([shares.get(label, rest) for label in LABELS], np.float32)


def test_a_mouth_that_turns_down_at_rest_is_not_sad_all_day() -> None:
    baseline = RestingFace(LABELS, seconds=10)
    rest, smile = row(sad=0.6, neutral=0.3), row(happy=0.9)
    first = baseline.subtract(1, 0.0, rest)
    assert first.argmax() == SAD  # nothing is known yet
    for i in range(1, 150):
        last = baseline.subtract(1, i / 10, rest)
    assert last.argmax() == NEUTRAL
    assert last.sum() == pytest.approx(1)
    assert last.dtype == np.float32
    assert baseline.subtract(1, 15.0, smile).argmax() == HAPPY
    assert baseline.subtract(2, 15.0, rest).argmax() == SAD  # somebody else


def test_a_neutral_face_is_left_as_it_is() -> None:
    baseline = RestingFace(LABELS, seconds=10)
    rest = row(neutral=0.9)
    for i in range(200):
        last = baseline.subtract(1, i / 10, rest)
    np.testing.assert_allclose(last, rest, rtol=1e-5)


def test_what_is_taken_off_is_bounded() -> None:
    """Somebody who smiles all the time is not taken for angry when the smile gets weaker."""
    baseline = RestingFace(LABELS, seconds=10)
    smile = row(happy=0.97)
    for i in range(500):
        last = baseline.subtract(1, i / 10, smile)
    held = math.log(smile[HAPPY] / smile[NEUTRAL]) - math.log(last[HAPPY] / last[NEUTRAL])
    assert held == pytest.approx(MAX_HELD, abs=1e-3)
    assert last.argmax() == HAPPY


def test_its_memory_is_bounded() -> None:
    baseline = RestingFace(LABELS)
    for track in range(10 * MAX_TRACKS):
        baseline.subtract(track, track / 1000, row(sad=0.5))
    assert len(baseline._tracks) == MAX_TRACKS
    baseline.subtract(1, 1e6, row(sad=0.5))
    assert len(baseline._tracks) == 1  # the others were not seen for long


def test_seldom_and_often_give_the_same() -> None:
    """The average is of time, not of frames."""
    ends = []
    for step in (0.05, 0.5):
        baseline, time_s = RestingFace(LABELS, seconds=20), 0.0
        while time_s < 30:
            last = baseline.subtract(1, time_s, row(sad=0.6, neutral=0.3) if time_s < 10 else row(happy=0.8))
            time_s += step
        ends.append(last)
    np.testing.assert_allclose(ends[0], ends[1], atol=0.02)
