"""A resting face of one's own: somebody whose mouth turns down at rest is not sad all day.

What a track usually shows is averaged in memory; labels that lead over `neutral` there are held back by that lead. It
lasts as long as the track, and nothing of it is kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import UsageError
from .smoothing import FORGET_S

NEUTRAL = "neutral"
MARGIN = math.log(2)
"""Nats: at rest, `neutral` leads by a factor of two, so that the label does not waver between the two."""
MAX_HELD = 2.0
"""Nats that a label is held back by at most, a factor of 7.4: a plain smile shows through whatever was usual before."""
FLOOR = 1e-4
"""Probabilities below are taken for this; their logarithms would rule the average."""
MAX_TRACKS = 64
"""The one seen longest ago makes room."""
GAP_S = 1.0
"""After a longer gap the time between counts as this much."""


def lacks_neutral(labels: Sequence[str]) -> str:
    """What is wrong with a bundle of these labels for a resting face; empty when it has `neutral`."""
    return "" if NEUTRAL in labels else f"has no label `{NEUTRAL}`, which [baseline] needs, only {', '.join(labels)}"


@dataclass
class _Usual:
    mean: NDArray[np.float64]
    seen_s: float
    watched_s: float = 0.0


class RestingFace:
    """Averages of log-probabilities, one a track."""

    def __init__(self, labels: Sequence[str], seconds: float = 60.0) -> None:
        """Begin.

        Args:
            labels: of the model; one is `neutral`.
            seconds: a track is watched so long before its resting face counts in full, and this is the time constant of
                the average afterwards.

        Raises:
            UsageError: none is.
        """
        if without := lacks_neutral(labels):
            raise UsageError(
                f"a resting face cannot be told: the bundle {without}",
                cause="the label is missing, or written otherwise",
                hint="set baseline.on = false, or choose another bundle",
            )
        self._neutral, self._seconds = tuple(labels).index(NEUTRAL), seconds
        self._tracks: dict[int, _Usual] = {}

    def subtract(self, track: int, time_s: float, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities float32 (classes,) less what the track usually shows, summing to 1; the average goes on."""
        logs = np.log(np.maximum(probabilities, FLOOR).astype(np.float64))
        usual = self._watch(track, time_s, logs)
        lead = usual.mean - usual.mean[self._neutral]
        held = np.where(lead > -MARGIN, np.clip(lead + MARGIN, 0.0, MAX_HELD), 0.0)
        held[self._neutral] = 0.0
        kept = np.exp(logs - held * min(1.0, usual.watched_s / self._seconds))
        return np.asarray(kept / kept.sum(), np.float32)

    def _watch(self, track: int, time_s: float, logs: NDArray[np.float64]) -> _Usual:
        """The track's average with this moment in it: a plain mean at first, an exponential one later."""
        self._tracks = {n: u for n, u in self._tracks.items() if time_s - u.seen_s <= FORGET_S}
        usual = self._tracks.pop(track, None)
        if usual is None:
            if len(self._tracks) >= MAX_TRACKS:
                del self._tracks[next(iter(self._tracks))]
            usual = _Usual(logs, time_s)
        passed = min(max(0.0, time_s - usual.seen_s), GAP_S)
        usual.watched_s += passed
        usual.mean = usual.mean + (logs - usual.mean) * (passed / min(max(usual.watched_s, 1e-6), self._seconds))
        usual.seen_s = time_s
        self._tracks[track] = usual  # the newest stands last
        return usual
