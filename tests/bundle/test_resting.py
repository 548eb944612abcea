"""The resting face taken off: the method, and a profile as it is kept."""

from __future__ import annotations

import json

import numpy as np
import pytest
from fer_edge.bundle import LABELS, softmax
from fer_edge.bundle.resting import (
    NEUTRAL_LEAD,
    RestingProfile,
    lacks_neutral,
    logs,
    neutral_of,
    take_off,
    take_off_probabilities,
)
from fer_edge.errors import InputError, UsageError

NEUTRAL = LABELS.index("neutral")
ROWS = np.random.default_rng(5).normal(0, 4, (6, len(LABELS))).astype(np.float32)
"""Logits of some faces."""


def profile() -> RestingProfile:
    return RestingProfile.of(logs(softmax(ROWS[:3])), LABELS, "a" * 64, 2.0)


def test_the_resting_face_itself_reads_neutral_by_the_lead() -> None:
    rest = ROWS[0]
    (left,) = take_off(rest[None], rest, NEUTRAL)
    np.testing.assert_allclose(left, np.where(np.arange(len(LABELS)) == NEUTRAL, NEUTRAL_LEAD, 0), atol=1e-6)
    assert take_off_probabilities(softmax(rest), logs(softmax(rest)), NEUTRAL).argmax() == NEUTRAL


def test_on_probabilities_it_is_the_same_as_on_logits() -> None:
    """Also with the constant that a softmax takes away, in the face and in the resting one."""
    of_logits = softmax(take_off(ROWS + 3, ROWS[0] - 2, NEUTRAL, share=0.7))
    of_probabilities = take_off_probabilities(softmax(ROWS), logs(softmax(ROWS[0])), NEUTRAL, share=0.7)
    np.testing.assert_allclose(of_probabilities, of_logits, atol=1e-5)
    assert of_probabilities.dtype == np.float32


def test_what_was_taken_off_can_be_added_again() -> None:
    rest = logs(softmax(ROWS[0]))
    left = logs(take_off_probabilities(softmax(ROWS), rest, NEUTRAL)) + rest
    left[:, NEUTRAL] -= NEUTRAL_LEAD
    np.testing.assert_allclose(softmax(left), softmax(ROWS), atol=1e-5)


def test_nothing_is_altered_that_was_given_and_a_certain_answer_stays_finite() -> None:
    certain, rest = np.eye(len(LABELS), dtype=np.float32)[[0]], logs(softmax(ROWS[0]))
    kept = rest.copy()
    left = take_off_probabilities(certain, rest, NEUTRAL)
    assert np.isfinite(left).all()
    assert left.argmax() == 0
    np.testing.assert_array_equal(rest, kept)


def test_a_profile_is_the_median_and_comes_back_from_its_text() -> None:
    made = profile()
    np.testing.assert_allclose(made.rest, np.median(logs(softmax(ROWS[:3])), axis=0))
    assert (made.pictures, made.seconds) == (3, 2.0)
    assert RestingProfile.from_json(made.to_json(), "here") == made
    made.check_model(LABELS, "a" * 64)


def test_a_profile_of_another_model_is_refused_with_the_command_that_makes_it_anew() -> None:
    for labels, model in ((LABELS, "b" * 64), (LABELS[::-1], "a" * 64)):
        with pytest.raises(InputError, match="another model") as refused:
            profile().check_model(labels, model, "anna")
        assert refused.value.hint.endswith("--resting first:2s --resting-save anna")


@pytest.mark.parametrize(
    "altered",
    [{"schema": 2}, {"spread": [1.0]}, {"log_probabilities": [float("nan")] * 7}, {"pictures": "x"}, {"a": 1}],
)
def test_a_file_that_was_altered_is_an_error(altered: dict[str, object]) -> None:
    with pytest.raises(InputError, match=r"anna\.json is not a resting face"):
        RestingProfile.from_json(json.dumps({**json.loads(profile().to_json()), **altered}), "anna.json")


@pytest.mark.parametrize("text", ["", "[]", "{}", "null"])
def test_a_file_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises(InputError, match="is not a resting face"):
        RestingProfile.from_json(text, "anna.json")


def test_a_model_without_neutral_is_refused() -> None:
    assert not lacks_neutral(LABELS)
    with pytest.raises(UsageError, match="has no label `neutral`"):
        neutral_of(("Neutral", "happy"))
