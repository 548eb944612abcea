"""Whose resting face is taken off: what somebody's face says when nothing happens is not what they feel."""

from __future__ import annotations

import numpy as np
import pytest
from fer_edge.bundle import LABELS
from fer_edge.bundle.resting import RestingProfile, logs
from fer_edge.errors import InputError, UsageError
from fer_edge.runtime.vision.resting_face import MAX_TRACKS, SAMPLES, FirstSeconds, KnownRest, OwnRest, RestingFace

SAD, NEUTRAL, HAPPY = LABELS.index("sad"), LABELS.index("neutral"), LABELS.index("happy")
MODEL = "a" * 64


def row(**shares: float) -> np.ndarray:
    """Probabilities; what is not named shares the rest."""
    rest = (1 - sum(shares.values())) / (len(LABELS) - len(shares))
    return np.array([shares.get(label, rest) for label in LABELS], np.float32)


REST, SMILE = row(sad=0.6, neutral=0.3), row(happy=0.98, neutral=0.004)


def watch(resting: RestingFace, shown: np.ndarray, until_s: float, since_s: float = 0.0, track: int = 1) -> list[int]:
    """Ten looks a second at the same face: the labels it reads as."""
    times = np.arange(since_s, until_s, 0.1)
    return [int(resting.take_off(track, float(time_s), shown).argmax()) for time_s in times]


def test_a_mouth_that_turns_down_at_rest_is_not_sad_all_day() -> None:
    own = OwnRest(LABELS, seconds=10)
    labels = watch(own, REST, 15)
    assert labels[0] == SAD  # nothing is known yet
    assert set(labels[100:]) == {NEUTRAL}
    assert watch(own, SMILE, 18, since_s=15) == [HAPPY] * 30
    left = own.take_off(1, 18.0, REST)
    assert left.sum() == pytest.approx(1)
    assert left.dtype == np.float32
    assert own.take_off(2, 18.0, REST).argmax() == SAD  # somebody else


def test_it_is_not_sure_until_enough_was_seen() -> None:
    """What is taken off grows with the time watched, and the state says how many faces are known."""
    own = OwnRest(LABELS, seconds=10)
    assert own.take_off(1, 0.0, REST) is REST
    watch(own, REST, 5, since_s=0.1)
    half = own.take_off(1, 5.0, REST)
    assert REST[NEUTRAL] < half[NEUTRAL] < 0.48
    assert own.state == "not sure yet"
    watch(own, REST, 10.5, since_s=5.1)
    assert own.state == "1 of 1"
    own.take_off(2, 10.5, REST)
    assert own.state == "1 of 2"


@pytest.mark.parametrize(
    ("happy", "neutral", "share"), [(0.98, 0.004, 0), (0.85, 0.05, 0), (0.7, 0.2, 0.79), (0.55, 0.35, 0.9)]
)
def test_who_smiles_all_the_time_does_not_become_neutral(happy: float, neutral: float, share: float) -> None:
    """What share of two minutes of nothing but a smile ends neutral: none of a plain one, which is no resting face.

    A faint one cannot be told from corners of the mouth that turn up at rest.
    """
    labels = watch(OwnRest(LABELS), row(happy=happy, neutral=neutral), 120)
    assert labels.count(NEUTRAL) / len(labels) == pytest.approx(share, abs=0.01)


def test_an_expression_now_and_then_does_not_move_what_is_mostly_shown() -> None:
    own = OwnRest(LABELS, seconds=10)
    for second in range(0, 30, 5):
        watch(own, REST, second + 3, since_s=second)
        assert watch(own, SMILE, second + 5, since_s=second + 3) == [HAPPY] * 20
    assert watch(own, REST, 31, since_s=30) == [NEUTRAL] * 10


def test_another_resting_face_takes_the_place_of_the_old_one() -> None:
    own = OwnRest(LABELS, seconds=10)
    watch(own, REST, 20)
    assert watch(own, row(angry=0.6, neutral=0.3), 40, since_s=20)[-1] == NEUTRAL
    assert watch(own, REST, 40.2, since_s=40)[0] == SAD  # forgotten


def test_its_memory_is_bounded_and_a_clock_that_runs_backwards_does_not_stop_it() -> None:
    own = OwnRest(LABELS, seconds=10)
    for track in range(10 * MAX_TRACKS):
        own.take_off(track, track / 1000, REST)
    assert len(own._tracks) == MAX_TRACKS
    watch(own, REST, 1040, since_s=1000)
    (only,) = own._tracks.values()  # the others were not seen for long
    assert len(only.moments) == SAMPLES
    watch(own, row(angry=0.6, neutral=0.3), 15)
    assert int(only.rest.argmax()) == LABELS.index("angry")


def test_seldom_and_often_give_the_same() -> None:
    ends = []
    for step in (0.05, 0.25):
        own, times = OwnRest(LABELS, seconds=20), np.arange(0, 30, step)
        ends.append([own.take_off(1, float(t), REST if t < 18 else SMILE) for t in times][-1])
    np.testing.assert_allclose(ends[0], ends[1], atol=0.02)


def test_a_profile_serves_every_face() -> None:
    profile = RestingProfile.of(logs(REST)[None], LABELS, MODEL)
    known = KnownRest(profile, "anna")
    assert [known.take_off(track, 0.0, REST).argmax() for track in (1, 2)] == [NEUTRAL, NEUTRAL]
    told = known.describe()
    assert (told["from"], told["faces"], told["left"], told["doubtful"]) == ("anna", 2, 0, False)
    assert known.profile() is profile


def test_the_first_seconds_of_one_face_serve_for_later_ones() -> None:
    first = FirstSeconds(LABELS, 2.0, MODEL)
    assert set(watch(first, REST, 3)) == {NEUTRAL}
    first.take_off(7, 1.9, SMILE)  # flashed up: no person
    assert watch(first, SMILE, 4, since_s=3) == [HAPPY] * 10
    assert watch(first, REST, 5, since_s=4, track=2) == [NEUTRAL] * 10
    profile = first.profile()
    assert (profile.pictures, profile.model) == (20, MODEL)
    assert first.describe()["left"] == 0


def test_of_several_faces_each_has_its_own_first_seconds() -> None:
    first, angry = FirstSeconds(LABELS, 2.0, MODEL), row(angry=0.6, neutral=0.3)
    for time_s in np.arange(0, 2, 0.1):
        first.take_off(1, float(time_s), REST)
        first.take_off(2, float(time_s), angry)
    assert [first.take_off(track, 2.5, face).argmax() for track, face in ((1, REST), (2, angry))] == [NEUTRAL, NEUTRAL]
    assert first.take_off(1, 2.5, angry).argmax() == LABELS.index("angry")
    assert first.take_off(3, 2.5, REST) is REST  # came later, and whose it is nobody knows
    told = first.describe()
    assert (told["learnt"], told["faces"], told["left"]) == (2, 2, 1)
    with pytest.raises(InputError, match="2 faces were seen"):
        first.profile()


def test_what_cannot_be_kept_says_so() -> None:
    with pytest.raises(InputError, match="no face was seen in the first 2 s"):
        FirstSeconds(LABELS, 2.0, MODEL).profile()
    with pytest.raises(UsageError, match="is not kept"):
        OwnRest(LABELS).profile()


def test_a_smile_that_is_said_to_be_rest_is_doubted() -> None:
    first = FirstSeconds(LABELS, 2.0, MODEL)
    watch(first, SMILE, 3)
    assert first.describe()["doubtful"]
