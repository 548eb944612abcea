"""One rule over the faces before one camera: from moments to the times at which it is to be told."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .rule import ABOVE, MARGIN, Rule, signs

HOLD_S = 1.0
"""A moment stands until the next, but not longer: then nothing is known, as of faces that went out of view."""
LEAST_KNOWN = 0.5
"""Of `over_s`; with less, there is no mean of it."""
FORGET_S = 10.0
"""Out of view for so long, a person's own mean is forgotten."""
BUCKET_S = 1.0
"""Of a person's own mean: what is older than `baseline_s` goes by so much."""


@dataclass(frozen=True)
class Fired:
    """A rule that is to be told: which, when (the clock of the moments, in seconds), and the mean that it had then."""

    rule: Rule
    time_s: float
    value: float


class OwnMean:
    """What one person showed in the last `baseline_s` seconds, as a mean by time; in memory, and gone with the face."""

    def __init__(self, baseline_s: float) -> None:
        self._limit_s = baseline_s
        self._buckets: deque[tuple[float, float]] = deque()
        self._open = (0.0, 0.0)
        self._sum = self.seconds = self.seen_s = 0.0

    def add(self, seconds: float, value: float) -> None:
        """The person showed so much for so long."""
        length, total = self._open[0] + seconds, self._open[1] + seconds * value
        self.seconds, self._sum, self._open = self.seconds + seconds, self._sum + seconds * value, (length, total)
        if length < BUCKET_S:
            return
        self._buckets.append(self._open)
        self._open = (0.0, 0.0)
        while self.seconds - self._buckets[0][0] >= self._limit_s:
            gone = self._buckets.popleft()
            self.seconds, self._sum = self.seconds - gone[0], self._sum - gone[1]

    @property
    def value(self) -> float | None:
        """The mean; None until the person was watched for long enough."""
        return self._sum / self.seconds if self.seconds >= self._limit_s else None


class RuleWatch:
    """Watches one rule; a moment is what each face in view shows, nothing of it when too few are there."""

    def __init__(self, rule: Rule, labels: Sequence[str]) -> None:
        """Begin with nothing known; `labels` are the bundle's."""
        self.rule, self._signs = rule, signs(rule.what, labels)
        self._fired_s = float("-inf")
        self.clear()

    def clear(self) -> None:
        """Forget what was seen, but not when it was told last."""
        self._last_s: float | None = None
        self._shown: Mapping[int, float] = {}
        self._value: float | None = None
        self._stood: deque[tuple[float, float, float]] = deque()
        self._known_s = self._sum = 0.0
        self._own: dict[int, OwnMean] = {}
        self._since_s: float | None = None

    def see(self, now_s: float, faces: Mapping[int, str], least_group: int) -> Fired | None:
        """Take a moment, and say whether the rule is to be told now.

        Args:
            now_s: of a clock that does not run backwards.
            faces: track -> label of those that may be told of; empty when they are too few.
            least_group: with fewer faces whose own mean is known, a rule with a baseline knows nothing.
        """
        self._stand(now_s)
        self._shown = {track: self._signs.get(label, 0.0) for track, label in faces.items()}
        self._value = self._now(least_group)
        self._last_s = now_s
        mean = self._mean(now_s)
        if mean is None or not self._holds(mean):
            self._since_s = None
            return None
        self._since_s = now_s if self._since_s is None else self._since_s
        due = now_s - self._since_s >= self.rule.for_s and now_s - self._fired_s >= self.rule.cool_down_s
        if self._value is None or not due:
            return None
        self._fired_s = now_s
        return Fired(self.rule, now_s, mean)

    def _stand(self, now_s: float) -> None:
        """What the moment before showed stood until now, for HOLD_S at most."""
        if self._last_s is None:
            return
        passed = now_s - self._last_s
        seconds = min(max(passed, 0.0), HOLD_S)
        if passed > HOLD_S:
            self._since_s = None
        if self._value is not None and seconds:
            self._stood.append((self._last_s + seconds, seconds, self._value))
            self._known_s, self._sum = self._known_s + seconds, self._sum + seconds * self._value
        for track, value in self._shown.items() if self.rule.baseline_s else ():
            own = self._own.setdefault(track, OwnMean(self.rule.baseline_s))
            own.add(seconds, value)
            own.seen_s = now_s
        self._own = {track: own for track, own in self._own.items() if now_s - own.seen_s <= FORGET_S}

    def _now(self, least_group: int) -> float | None:
        """The share of this moment; against a baseline, how far the faces are from their own means."""
        if not self.rule.baseline_s:
            return sum(self._shown.values()) / len(self._shown) if self._shown else None
        known = {t: own.value for t in self._shown if (own := self._own.get(t)) and own.value is not None}
        apart = [self._shown[track] - value for track, value in known.items() if value is not None]
        return sum(apart) / len(apart) if len(apart) >= least_group else None

    def _mean(self, now_s: float) -> float | None:
        """Over the last `over_s`; None when less than half of it is known."""
        while self._stood and self._stood[0][0] <= now_s - self.rule.over_s:
            _, seconds, value = self._stood.popleft()
            self._known_s, self._sum = self._known_s - seconds, self._sum - seconds * value
        if not self._stood or self._known_s < LEAST_KNOWN * self.rule.over_s:
            return None
        return self._sum / self._known_s

    def _holds(self, mean: float) -> bool:
        beyond = mean - self.rule.threshold if self.rule.when == ABOVE else self.rule.threshold - mean
        return beyond > MARGIN
