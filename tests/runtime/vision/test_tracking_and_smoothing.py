"""The parts between the detector and the store that only compute."""

from __future__ import annotations

import numpy as np
import pytest
from fer_edge.bundle import LABELS
from fer_edge.errors import UsageError
from fer_edge.runtime.types import Face
from fer_edge.runtime.vision.detectors.yunet import frame_face
from fer_edge.runtime.vision.smoothing import FORGET_S, UNCERTAIN, ExponentialSmoother, MajoritySmoother, open_smoother
from fer_edge.runtime.vision.tracker import IouTracker, overlap


def face(left: float, top: float = 0, side: float = 10) -> Face:
    return Face((left, top, side, side), 1.0)


def numbers(tracker: IouTracker, time_s: float, *faces: Face) -> list[int]:
    return [t.number for t in tracker.update(faces, time_s)]


def leaning(label: str, share: float = 0.9) -> np.ndarray:
    row = np.full(len(LABELS), (1 - share) / (len(LABELS) - 1), np.float32)
    row[LABELS.index(label)] = share
    return row


def test_overlap() -> None:
    assert overlap((0, 0, 10, 10), (0, 0, 10, 10)) == 1
    assert overlap((0, 0, 10, 10), (5, 0, 10, 10)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 10, 10), (10, 0, 10, 10)) == 0


def test_faces_keep_their_numbers_when_they_move_and_change_order() -> None:
    tracker = IouTracker()
    assert numbers(tracker, 0.0, face(0), face(50)) == [1, 2]
    assert numbers(tracker, 0.1, face(52), face(3)) == [2, 1]
    assert numbers(tracker, 0.2, face(5), face(100)) == [1, 3]


def test_two_faces_never_share_a_number() -> None:
    tracker = IouTracker()
    numbers(tracker, 0.0, face(0))
    assert sorted(numbers(tracker, 0.1, face(1), face(0))) == [1, 2]


def test_a_face_is_remembered_for_a_moment_only() -> None:
    tracker = IouTracker(max_gap_s=1.0)
    assert numbers(tracker, 0.0, face(0)) == [1]
    assert numbers(tracker, 0.5) == []
    assert numbers(tracker, 1.0, face(0)) == [1]
    assert numbers(tracker, 2.5, face(0)) == [2]


def test_majority_is_the_most_frequent_label_of_the_last_second() -> None:
    smoother = MajoritySmoother(LABELS)
    for time_s, label in [(0.0, "sad"), (0.3, "sad"), (0.6, "happy")]:
        shown = smoother.update(1, time_s, leaning(label))
    assert (shown.label, shown.confidence) == ("sad", pytest.approx(2 / 3))
    shown = smoother.update(1, 1.2, leaning("happy"))  # the first sad is 1.2 s old now
    assert (shown.label, shown.confidence) == ("happy", pytest.approx(2 / 3))


def test_majority_gives_a_tie_to_the_label_seen_last() -> None:
    smoother = MajoritySmoother(LABELS)
    smoother.update(1, 0.0, leaning("sad"))
    assert smoother.update(1, 0.1, leaning("happy")).label == "happy"


def test_exponential_average_does_not_flicker() -> None:
    smoother = ExponentialSmoother(LABELS)
    labels = ["happy"] * 10 + ["sad"] + ["happy"] * 5
    shown = [smoother.update(1, i / 30, leaning(label)).label for i, label in enumerate(labels)]
    assert set(shown) == {"happy"}


def test_exponential_average_follows_a_lasting_change() -> None:
    smoother = ExponentialSmoother(LABELS)
    labels = ["happy"] * 10 + ["sad"] * 40
    assert smoother.update(1, 0, leaning("happy")).label == "happy"
    shown = [smoother.update(1, (i + 1) / 30, leaning(label)).label for i, label in enumerate(labels)]
    assert shown[-1] == "sad"


def test_exponential_average_depends_on_time_not_on_frame_rate() -> None:
    slow, fast = ExponentialSmoother(LABELS), ExponentialSmoother(LABELS)
    for smoother, rate in ((slow, 5), (fast, 50)):
        smoother.update(1, 0.0, leaning("neutral"))
        for i in range(1, rate + 1):
            shown = smoother.update(1, i / rate, leaning("sad"))
        assert shown.confidence == pytest.approx(0.9 + (0.1 / 6 - 0.9) * np.exp(-2), abs=1e-3)


def test_nothing_that_stands_out_is_uncertain() -> None:
    smoother = ExponentialSmoother(LABELS)
    assert smoother.update(1, 0, np.full(7, 1 / 7, np.float32)).label == UNCERTAIN


@pytest.mark.parametrize("name", ["exponential", "majority"])
def test_tracks_do_not_mix_and_are_forgotten(name: str) -> None:
    smoother = open_smoother(name, LABELS)
    smoother.update(1, 0.0, leaning("sad"))
    assert smoother.update(2, 0.0, leaning("happy")).label == "happy"
    for i in range(1000):
        smoother.update(i + 3, i * 1.0, leaning("happy"))
    kept = next(v for k, v in vars(smoother).items() if isinstance(v, dict))
    assert len(kept) <= FORGET_S + 2


def test_unknown_smoother() -> None:
    with pytest.raises(UsageError, match="no smoother 'mean'"):
        open_smoother("mean", LABELS)


def test_yunets_box_becomes_a_square_around_the_same_face() -> None:
    left, top, width, height = frame_face(100, 50, 60, 80)
    assert width == height == pytest.approx(1.11 * (60 * 80) ** 0.5)
    assert left + width / 2 == pytest.approx(130)
    assert top + height / 2 == pytest.approx(50 + 80 * 0.52)
