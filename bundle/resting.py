"""A resting face taken off: what a person's face says when nothing happens is subtracted from what it says now.

The method is of logits. Log-probabilities are logits less a constant, the same for every label of a face, and a softmax
does not see such a constant: so it works on probabilities as exactly.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, UsageError
from .logits import Logits, softmax

NEUTRAL = "neutral"
WEIGHT = 1.0
"""Of the resting face's logits. On 203 posed pictures of ten people weight 1 and a lead of 1.5 to 2 took accuracy from
.51 to .75, weight .75 and a lead of 1 to .70. Measured elsewhere: docs/resting.md says what was measured here."""
NEUTRAL_LEAD = 1.75
"""Nats by which `neutral` leads every other label in a face that is just the resting one. From the same pictures: 1.0
gave .74, 1.5 gave .75, 2.0 gave .76; this is the middle of what was tried."""
LEAST = 1e-12
"""Probabilities below are taken for this; a logarithm needs one."""
SCHEMA = 1
ANEW = "fer-edge run camera:0 --seconds 3 --resting first:2s --resting-save NAME"
"""The command that makes a profile."""


def take_off(logits: Logits, rest: NDArray[np.float32], neutral: int, share: float = 1.0) -> Logits:
    """Logits float32 (N, classes) less those of the resting face (classes,), and NEUTRAL_LEAD added to `neutral`.

    Args:
        rest: logits or log-probabilities of the same person at rest.
        neutral: index of the label.
        share: how much of this is done, 0..1.
    """
    taken = share * WEIGHT * rest
    taken[neutral] -= share * NEUTRAL_LEAD
    return np.asarray(logits - taken, np.float32)


def take_off_probabilities(
    probabilities: NDArray[np.float32], rest: NDArray[np.float32], neutral: int, share: float = 1.0
) -> NDArray[np.float32]:
    """`take_off` for probabilities float32 (N, classes), or of one face (classes,), which sum to 1 again."""
    return softmax(take_off(logs(probabilities), rest, neutral, share))


def logs(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Their logarithms, those of nothing LEAST's."""
    return np.asarray(np.log(np.maximum(probabilities, np.float32(LEAST))), np.float32)


def lacks_neutral(labels: Sequence[str]) -> str:
    """What is wrong with a bundle of these labels for a resting face; empty when it has `neutral`."""
    there = ", ".join(labels)
    return (
        ""
        if NEUTRAL in labels
        else f"has no label `{NEUTRAL}`, which [baseline] needs, as --resting does, only {there}"
    )


def neutral_of(labels: Sequence[str]) -> int:
    """Index of `neutral`; raises UsageError where there is none."""
    if without := lacks_neutral(labels):
        raise UsageError(
            f"a resting face cannot be told: the bundle {without}",
            cause="the label is missing, or written otherwise",
            hint="set baseline.on = false, leave out --resting, or choose another bundle",
        )
    return tuple(labels).index(NEUTRAL)


@dataclass(frozen=True)
class RestingProfile:
    """What one person's face says at rest, to one model: numbers of the model's, never a picture.

    Attributes:
        labels: of the model, in the order of the numbers.
        log_probabilities: the median over the pictures, which of one or two is the mean.
        spread: standard deviation over them.
        pictures: how many.
        seconds: that they span; 0 for pictures that have no time.
        model: SHA-256 of the bundle's reference graph; logits of another model mean something else.
    """

    labels: tuple[str, ...]
    log_probabilities: tuple[float, ...]
    spread: tuple[float, ...]
    pictures: int
    seconds: float
    model: str

    @classmethod
    def of(cls, rows: NDArray[np.float32], labels: Sequence[str], model: str, seconds: float = 0.0) -> RestingProfile:
        """From log-probabilities float32 (N, classes) of a face at rest; N at least 1."""
        middle, spread = np.median(rows, axis=0), np.std(rows, axis=0)
        values = tuple(float(v) for v in middle), tuple(float(v) for v in spread)
        return cls(tuple(labels), *values, len(rows), seconds, model)

    @property
    def rest(self) -> NDArray[np.float32]:
        """The log-probabilities, float32 (classes,)."""
        return np.array(self.log_probabilities, np.float32)

    def check_model(self, labels: Sequence[str], model: str, name: str = "NAME") -> None:
        """Raise InputError when it was made with another model than this; `name` is what it is kept under."""
        if (tuple(labels), model) != (self.labels, self.model):
            raise InputError(
                "the resting face was made with another model than the one that runs",
                cause="the bundle was trained anew or exchanged since, or --bundle names another",
                hint=ANEW.replace("NAME", name),
            )

    def to_json(self) -> str:
        """As a file keeps it."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str) -> RestingProfile:
        """From a file's text; `where` names it. Raises InputError."""
        try:
            return cls._checked(**json.loads(text))
        except (TypeError, ValueError) as error:
            raise InputError(
                f"{where} is not a resting face: {error}",
                cause="the file was altered or cut short, or another version of fer-edge wrote it",
                hint=ANEW,
            ) from None

    @classmethod
    def _checked(
        cls,
        *,
        schema: int,
        labels: list[str],
        log_probabilities: list[float],
        spread: list[float],
        pictures: int,
        seconds: float,
        model: str,
    ) -> RestingProfile:
        """From the values of a file; raises TypeError, ValueError."""
        if schema != SCHEMA:
            raise ValueError(f"its schema is {schema!r}, not {SCHEMA}")
        numbers = np.array([log_probabilities, spread], float)
        if numbers.shape != (2, len(labels)) or not np.isfinite(numbers).all():
            raise ValueError("it needs a finite number and its spread for each label")
        middle, wide = (tuple(row) for row in numbers.tolist())
        return cls(tuple(map(str, labels)), middle, wide, int(pictures), float(seconds), str(model))
