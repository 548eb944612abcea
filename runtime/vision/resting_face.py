"""Whose resting face is taken off which face: one known before, each track's of the first seconds, each track's own."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...bundle.resting import RestingProfile, logs, neutral_of, take_off_probabilities
from ...errors import InputError, UsageError
from ...words import counted
from .smoothing import FORGET_S, Probabilities

LIKELY_REST, UNLIKELY_REST = 2.0, 4.0
"""Nats by which a label leads `neutral` in what a track mostly shows: up to the first it is taken for a resting face,
from the second on for an expression that lasts, and nothing is taken off; between them in proportion. By the shipped
model, 5 % of 200 neutral faces of the FER+ test lead by more than 2.1; of 200 happy ones 5 % by less than 2.5."""
SAMPLES = 60
"""Moments that a track's own resting face is the median of."""
MAX_TRACKS = 64
"""The one seen longest ago makes room."""
GAP_S = 1.0
"""After a longer gap the time between counts as this much; a face not seen for so long is not in view."""


def likeness(rest: NDArray[np.float32], neutral: int) -> float:
    """How much log-probabilities look like those of a resting face, from 0 (an expression) to 1: see LIKELY_REST."""
    lead = float(rest.max() - rest[neutral])
    return min(max((UNLIKELY_REST - lead) / (UNLIKELY_REST - LIKELY_REST), 0.0), 1.0)


class RestingFace(Protocol):
    """Takes the resting face off what a face shows."""

    timed: bool
    """It needs faces that are followed in time, which pictures are not."""

    def take_off(self, track: int, time_s: float, probabilities: Probabilities) -> Probabilities:
        """Probabilities float32 (classes,) of a track's face without its resting face, summing to 1."""

    def describe(self) -> dict[str, Any]:
        """What a session and a summary say of it, as JSON values."""

    def profile(self) -> RestingProfile:
        """What can be kept for another run; raises InputError where there is nothing of one person."""


class KnownRest:
    """One profile for every face: it is up to whoever gives it that the faces are that person's."""

    timed = False

    def __init__(self, profile: RestingProfile, name: str) -> None:
        """Args: name as people gave it. Raises UsageError: there is no label `neutral`."""
        self._profile, self._name = profile, name
        self._neutral, self._rest = neutral_of(profile.labels), profile.rest
        self._faces: set[int] = set()

    def take_off(self, track: int, time_s: float, probabilities: Probabilities) -> Probabilities:
        """See RestingFace."""
        self._faces.add(track)
        return take_off_probabilities(probabilities, self._rest, self._neutral)

    def describe(self) -> dict[str, Any]:
        """See RestingFace."""
        known = self._profile
        told = {"from": self._name, "pictures": known.pictures, "seconds": known.seconds, "learnt": 1}
        rest = dict(zip(known.labels, known.log_probabilities, strict=True))
        told |= {"faces": len(self._faces), "left": 0, "doubtful": not likeness(self._rest, self._neutral)}
        return {**told, "log_probabilities": rest}

    def profile(self) -> RestingProfile:
        """See RestingFace."""
        return self._profile


class FirstSeconds:
    """Faces seen at first are at rest, each by itself; if that was one person's, it serves for every later face, too.

    Until the seconds are over, what was seen so far is taken off, so that the faces read as what they are said to be.
    """

    timed = True

    def __init__(self, labels: Sequence[str], seconds: float, model: str) -> None:
        """Args: seconds of the source; model as in RestingProfile. Raises UsageError: no label `neutral`."""
        self.seconds, self._labels, self._model = seconds, tuple(labels), model
        self._neutral = neutral_of(labels)
        self._rows: dict[int, list[NDArray[np.float32]]] = {}
        self._rest: dict[int, NDArray[np.float32]] = {}
        self._until_s, self._over = 0.0, False
        self._taken: set[int] = set()
        self._left: set[int] = set()

    def take_off(self, track: int, time_s: float, probabilities: Probabilities) -> Probabilities:
        """See RestingFace."""
        if not self._over and time_s < self.seconds:
            self._rows.setdefault(track, []).append(logs(probabilities))
            self._rest[track] = np.median(self._rows[track], axis=0).astype(np.float32)
            self._until_s = time_s
        elif not self._over:
            self._over, self._rest = True, self.learnt()
        rest = self._rest.get(track)
        if rest is None and self._over and len(self._rest) == 1:
            (rest,) = self._rest.values()
        (self._left if rest is None else self._taken).add(track)
        return probabilities if rest is None else take_off_probabilities(probabilities, rest, self._neutral)

    def learnt(self) -> dict[int, NDArray[np.float32]]:
        """Track -> resting face, of those seen at least half as often as the one seen most: others flashed up."""
        most = max(map(len, self._rows.values()), default=0)
        return {track: self._rest[track] for track, rows in self._rows.items() if 2 * len(rows) >= most}

    def describe(self) -> dict[str, Any]:
        """See RestingFace."""
        learnt = self.learnt()
        told = {"from": f"first:{self.seconds:g}s", "pictures": sum(len(self._rows[track]) for track in learnt)}
        told |= {"seconds": self.seconds, "learnt": len(learnt), "faces": len(self._taken), "left": len(self._left)}
        told["doubtful"] = not all(likeness(rest, self._neutral) for rest in learnt.values())
        if len(learnt) != 1:
            return told
        (rest,) = learnt.values()
        return {**told, "log_probabilities": dict(zip(self._labels, map(float, rest), strict=True))}

    def profile(self) -> RestingProfile:
        """See RestingFace."""
        tracks = list(self.learnt())
        if len(tracks) != 1:
            seen = f"{counted(len(tracks), 'face')} were" if tracks else "no face was"
            raise InputError(
                f"{seen} seen in the first {self.seconds:g} s, and a resting face that is kept is one person's",
                cause="several people were in view" if tracks else "nobody was in view yet",
                hint=f"fer-edge run camera:0 --seconds 5 --resting first:{self.seconds:g}s  # says who is seen",
            )
        return RestingProfile.of(np.stack(self._rows[tracks[0]]), self._labels, self._model, round(self._until_s, 3))


@dataclass
class _Usual:
    """What a track showed lately: log-probabilities at moments of its last seconds, and their median."""

    seen_s: float
    sampled_s: float = float("-inf")
    watched_s: float = 0.0
    moments: deque[NDArray[np.float32]] = field(default_factory=lambda: deque(maxlen=SAMPLES))
    rest: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))


class OwnRest:
    """Each track's own resting face: the median of what it showed over the last seconds, in memory only.

    It is taken off in proportion to how long the track was watched, and to how much it looks like a resting face at
    all: see LIKELY_REST.
    """

    timed = True

    def __init__(self, labels: Sequence[str], seconds: float = 60.0) -> None:
        """Begin.

        Args:
            labels: of the model; one is `neutral`.
            seconds: a track is watched so long before its resting face counts in full, and older moments are forgotten.

        Raises:
            UsageError: none is.
        """
        self._neutral, self.seconds = neutral_of(labels), seconds
        self._tracks: dict[int, _Usual] = {}
        self._now_s = 0.0

    def take_off(self, track: int, time_s: float, probabilities: Probabilities) -> Probabilities:
        """See RestingFace; the estimate goes on."""
        usual = self._watch(track, time_s, logs(probabilities))
        share = self._sure(usual)
        return take_off_probabilities(probabilities, usual.rest, self._neutral, share) if share else probabilities

    def describe(self) -> dict[str, Any]:
        """See RestingFace."""
        return {"from": f"own:{self.seconds:g}s", "seconds": self.seconds}

    def profile(self) -> RestingProfile:
        """See RestingFace."""
        raise UsageError(
            "a resting face that a run learns all the time is not kept",
            cause="it is a guess from what a face mostly shows, and fades as it goes on",
            hint="the same command with --resting first:2s",
        )

    @property
    def state(self) -> str:
        """Of the faces in view, how many resting faces are known in full: "not sure yet", "2 of 3"."""
        here = [u for u in self._tracks.values() if self._now_s - u.seen_s <= GAP_S]
        sure = sum(self._sure(usual) == 1 for usual in here)
        return f"{sure} of {len(here)}" if sure else "not sure yet"

    def _sure(self, usual: _Usual) -> float:
        """How much of a track's resting face is taken off, 0..1."""
        return min(1.0, usual.watched_s / self.seconds) * likeness(usual.rest, self._neutral)

    def _watch(self, track: int, time_s: float, moment: NDArray[np.float32]) -> _Usual:
        """The track with this moment in it."""
        self._now_s = time_s
        self._tracks = {n: u for n, u in self._tracks.items() if time_s - u.seen_s <= FORGET_S}
        usual = self._tracks.pop(track, None)
        if usual is None:
            if len(self._tracks) >= MAX_TRACKS:
                del self._tracks[next(iter(self._tracks))]
            usual = _Usual(time_s)
        usual.watched_s += min(max(0.0, time_s - usual.seen_s), GAP_S)
        usual.seen_s = time_s
        if not 0 <= time_s - usual.sampled_s < self.seconds / SAMPLES:
            usual.sampled_s = time_s
            usual.moments.append(moment)
            usual.rest = np.median(np.stack(usual.moments), axis=0).astype(np.float32)
        self._tracks[track] = usual  # the newest stands last
        return usual
