"""The figures of one person in a session, each with its interval; docs/session-figures.md has formulas and sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...bundle.labels import known_label
from .bootstrap import block_length, intervals
from .episodes import Episode, episodes_of
from .lane import NOBODY, Lane
from .valence import INDEX, has_index, signs_of

Floats = NDArray[np.float64]

BY_LABEL = ("share", "episodes_per_minute", "episode_s")
"""Figures that there is one of for each label and `uncertain`."""
PLAIN = ("coverage", "in_view", INDEX, "entropy", "expressivity", "change", "transitions_per_minute")

Key = tuple[str, str]
"""A figure, and its label or nothing."""


@dataclass(frozen=True)
class Estimate:
    """A figure and its interval of 95 %; None where it is not defined, or cannot be told."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Figures:
    """Of one person.

    Attributes:
        block_s: seconds drawn together for the intervals.
        estimates: (figure, label) -> what it came to.
    """

    block_s: int
    estimates: Mapping[Key, Estimate]


def figures_of(lane: Lane, bootstrap: bool = True) -> Figures:
    """Every figure of a lane; `bootstrap`: with intervals."""
    sums = _Sums(lane, episodes_of(lane))
    values = {key: float(column[0]) for key, column in sums.figures(sums.seconds.sum(0, keepdims=True)).items()}
    block, spans = 1, {}
    if bootstrap:
        block = max(block_length(column) for column in sums.seconds[:, sums.labels].T)
        text = {f"{name}\t{label}": (name, label) for name, label in values}
        found = intervals(
            sums.seconds, lambda totals: {"\t".join(k): v for k, v in sums.figures(totals).items()}, block
        )
        spans = {text[name]: span for name, span in found.items()}
    return Figures(block, {key: _estimate(value, spans.get(key)) for key, value in values.items()})


def _estimate(value: float, span: tuple[float, float] | None) -> Estimate:
    """What was never seen has no interval: drawing again what there is cannot show what there is not."""
    if not np.isfinite(value):
        return Estimate(None)
    if span is None or span[0] == span[1]:
        return Estimate(value)
    return Estimate(value, *span)


class _Sums:
    """What each second adds to the sums that every figure is a function of."""

    def __init__(self, lane: Lane, episodes: Sequence[Episode]) -> None:
        self._states, self._count = lane.states, len(lane.states)
        self._names = [known_label(label) or label for label in lane.labels]
        length = lane.length_s[:, None]
        one_each = (lane.shown[:, None] == np.arange(self._count)) * 1.0
        neutral = self._names.index("neutral") if "neutral" in self._names else None
        expressive = np.nan_to_num(1 - lane.probabilities[:, neutral]) if neutral is not None else np.zeros(len(length))
        in_view = (lane.shown != NOBODY) * 1.0
        self._has_neutral = neutral is not None
        rates = np.column_stack([in_view, expressive, one_each, np.nan_to_num(lane.probabilities)])
        per_second = spread(lane, rates)
        read = per_second[:, 2 : 2 + self._count].sum(1)
        whole = np.diff(edges(lane))
        changes = _changes(per_second[:, 2 + self._count :], read, whole)
        events = _events(lane, episodes, len(whole))
        self.seconds = np.column_stack([whole, per_second[:, : 2 + self._count], *changes, *events])
        self.labels = slice(3, 3 + self._count)

    def figures(self, sums: Floats) -> dict[Key, Floats]:
        """From sums (N, m) to every figure (N,); NaN where it is not defined."""
        k = self._count
        total, in_view, expressive = sums[:, 0], sums[:, 1], sums[:, 2]
        shown, rest = sums[:, 3 : 3 + k], sums[:, 3 + k :]
        changed, compared, moved, begun, lasted = (
            rest[:, 0],
            rest[:, 1],
            rest[:, 2],
            rest[:, 3 : 3 + k],
            rest[:, 3 + k :],
        )
        read = shown.sum(1)
        share, minutes = _ratio(shown, read[:, None]), read / 60
        plain = {
            "coverage": _ratio(read, total),
            "in_view": _ratio(in_view, total),
            INDEX: self._valence(share),
            "entropy": _entropy(shown[:, :-1]),
            "expressivity": _ratio(expressive, read) if self._has_neutral else np.full(len(sums), np.nan),
            "change": _ratio(changed, compared),
            "transitions_per_minute": _ratio(moved, minutes),
        }
        by_label = dict(zip(BY_LABEL, (share, _ratio(begun, minutes[:, None]), _ratio(lasted, begun)), strict=True))
        found = {(name, ""): plain[name] for name in PLAIN}
        return found | {
            (name, state): table[:, i] for name, table in by_label.items() for i, state in enumerate(self._states)
        }

    def _valence(self, share: Floats) -> Floats:
        signs = np.array([*signs_of(self._names), 0.0])
        return share @ signs if has_index(self._names) else np.full(len(share), np.nan)


def edges(lane: Lane) -> Floats:
    """(n + 1,) where its seconds begin, from the first frame on, and where the last, perhaps a part, ends."""
    begin = lane.start_s[0]
    whole = np.arange(begin, begin + lane.seconds - 1e-6, 1.0)
    return np.append(whole, begin + lane.seconds)


def spread(lane: Lane, rates: Floats) -> Floats:
    """(n, m): how much of each of m rates (F, m), which hold while a frame stands, falls into each second."""
    knots = np.column_stack([lane.start_s, lane.end_s]).ravel()
    risen = np.zeros((len(knots), rates.shape[1]))
    risen[1::2] = np.cumsum(rates * lane.length_s[:, None], axis=0)
    risen[2::2] = risen[1:-1:2]
    at = edges(lane)
    return np.column_stack([np.diff(np.interp(at, knots, column)) for column in risen.T])


def _changes(probabilities: Floats, read: Floats, whole: Floats) -> tuple[Floats, Floats]:
    """(n,) half the absolute difference of each second's mean probabilities from the last's, and where both are known.

    A second of which less than half was read is not.
    """
    known = read >= whole / 2
    means = _ratio(probabilities, read[:, None])
    both = np.append(False, known[1:] & known[:-1])
    changed = np.append(0.0, np.abs(np.diff(means, axis=0)).sum(1) / 2)
    return np.where(both, changed, 0.0), both * 1.0


def _events(lane: Lane, episodes: Sequence[Episode], n: int) -> tuple[Floats, Floats, Floats]:
    """(n,) changes of label, (n, states) episodes that begin and how long those last, in the second they begin in."""
    moved, begun, lasted = np.zeros(n), np.zeros((n, len(lane.states))), np.zeros((n, len(lane.states)))
    code = {state: i for i, state in enumerate(lane.states)}
    for episode in episodes:
        second, label = min(int(episode.start_s - lane.start_s[0]), n - 1), code[episode.label]
        moved[second] += episode.onset
        begun[second, label] += 1
        lasted[second, label] += episode.length_s
    return moved, begun, lasted


def _entropy(shown: Floats) -> Floats:
    """Of the labels' shares, `uncertain` left out: 0 for one label, 1 for all alike."""
    share = _ratio(shown, shown.sum(1)[:, None])
    bits = -(share * np.log(np.where(share > 0, share, 1.0))).sum(1) + 0.0  # never -0.0
    return bits / np.log(shown.shape[1]) if shown.shape[1] > 1 else np.full(len(shown), np.nan)


def _ratio(part: Floats, whole: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(whole > 1e-9, part / whole, np.nan)
