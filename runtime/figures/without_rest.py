"""A session as it would have been read without the resting face: put back, and smoothed as it was then."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bundle.resting import neutral_of, take_off_probabilities
from ...errors import UsageError
from ..storage.session import Session
from ..types import Observation
from ..vision.quality_gate import UNSUITABLE
from ..vision.smoothing import open_smoother

STORED_LEAST = 1e-6
"""A session's store keeps six decimals; a smaller probability is taken for this, so that it can be put back at all."""
LEARNING = "learning"
"""The reason why a face is not read while its resting face was learnt: what was taken off changed with every frame."""
_FIRST = re.compile(r"first:([0-9.]+)s")


@dataclass(frozen=True)
class WithoutRest(Session):
    """The same session with the resting face put back; see `without_rest`.

    Attributes:
        rests: subject -> log-probabilities (K,); of "" those of every face, where no subject has its own.
        until_s: seconds from the beginning in which the face was learnt, which cannot be put back.
    """

    rests: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    until_s: float = 0.0

    def observations(self) -> Iterator[Observation]:
        """See Session; labels are of the session's smoothing, done again."""
        smoother = open_smoother(str(self.facts["smoother"]), self.labels)
        neutral = neutral_of(self.labels)
        for o in super().observations():
            if not o.probabilities:
                yield o
            elif o.time_s < self.until_s:
                yield replace(o, label=UNSUITABLE, raw_label=UNSUITABLE, probabilities=(), reason=LEARNING)
            else:
                probabilities = np.maximum(np.array(o.probabilities, np.float32), np.float32(STORED_LEAST))
                rest = self.rests.get(o.subject, self.rests.get("")) if o.subject else self.rests.get("")
                if rest is not None:
                    probabilities = take_off_probabilities(probabilities, rest, neutral, share=-1.0)
                shown = smoother.update(o.track, o.time_s, probabilities)
                raw = self.labels[int(probabilities.argmax())]
                values = tuple(map(float, probabilities))
                yield replace(o, label=shown.label, confidence=shown.confidence, raw_label=raw, probabilities=values)


def rests_of(facts: Mapping[str, Any]) -> dict[str, Mapping[str, float]] | None:
    """Subject -> log-probabilities by label of what was taken off, of "" for every face; None: nothing was.

    Empty where the store does not say: guessed as it went on, or of several faces that are nobody's.
    """
    told = facts.get("resting")
    if not told:
        return None
    if "subjects" in told:
        return dict(told["subjects"])
    if "log_probabilities" not in told:
        return {}
    codes = [str(code) for code in facts.get("subjects", [])]
    whose = codes[0] if str(told.get("from", "")).startswith("the study's") and len(codes) == 1 else ""
    return {whose: told["log_probabilities"]}


def without_rest(session: Session) -> WithoutRest:
    """The session with its resting face put back; the same face where none was taken off.

    Raises UsageError: what was taken off is not known in numbers.
    """
    told = rests_of(session.facts)
    if told is not None and not told:
        raise UsageError(
            f"in the session {session.folder} a resting face was taken off that is not known in numbers",
            cause="it was guessed as the run went on (own:), or several faces had one",
            hint="the same command without --without-resting",
        )
    rests = {who: np.array([t[label] for label in session.labels], np.float32) for who, t in (told or {}).items()}
    first = _FIRST.fullmatch(str((session.facts.get("resting") or {}).get("from", "")))
    return WithoutRest(session.folder, session.facts, rests, float(first[1]) if first else 0.0)


def known_in_numbers(session: Session) -> bool:
    """Whether a resting face was taken off that can be put back."""
    return bool(rests_of(session.facts))


def after_rest(session: WithoutRest) -> Session:
    """The session as it was read, over the stretch for which the other tells what it would have been without."""
    return replace(session, rests={}) if session.until_s else Session(session.folder, session.facts)
