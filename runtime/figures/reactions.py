"""What a face did after each marker, against the seconds before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..storage.session import Marker
from ..vision.smoothing import UNCERTAIN
from .bootstrap import LEVEL, REPLICATES
from .episodes import Episode, episodes_of
from .figures import Estimate
from .lane import Lane

Floats = NDArray[np.float64]

AROUND_S = 5.0
"""Seconds looked at before and after each marker."""
LEAST_READ = 0.5
"""Of both stretches; else the reaction is not told."""
LEAST_MARKERS = 5
"""Of one name, for an interval: fewer leave too few ways to draw them again."""


@dataclass(frozen=True)
class Reaction:
    """To one marker.

    Attributes:
        marker: what happened, and when.
        read_before, read_after: share 0..1 of each stretch in which the face was read.
        change: label -> mean probability after the marker minus before it; empty where too little was read.
        latency_s: label -> seconds from the marker to the beginning of its first episode; those that began.
        overlaps: another marker lies in the stretch, so that one reaction is in the other.
    """

    marker: Marker
    read_before: float
    read_after: float
    change: Mapping[str, float]
    latency_s: Mapping[str, float]
    overlaps: bool


@dataclass(frozen=True)
class MeanReaction:
    """To all markers of a name.

    Attributes:
        markers: how many there were.
        used: how many of them had enough read before and after.
        change: label -> mean of theirs; empty without any.
        latency_s: label -> mean of those after which it began; only labels that did.
    """

    name: str
    markers: int
    used: int
    change: Mapping[str, Estimate]
    latency_s: Mapping[str, Estimate]


def reactions_of(lane: Lane, markers: Sequence[Marker], around_s: float = AROUND_S) -> list[Reaction]:
    """To each marker of the lane's time, in the order of time."""
    begin, end = float(lane.start_s[0]), float(lane.start_s[0]) + lane.seconds
    inside = [m for m in markers if begin <= m.time_s <= end]  # `study join` refuses others, and a key comes in time
    episodes, ordered = episodes_of(lane), sorted(inside, key=lambda m: m.time_s)
    times = np.array([m.time_s for m in ordered])
    found = []
    for marker in ordered:
        near = np.sum(np.abs(times - marker.time_s) < around_s) > 1
        found.append(_reaction(lane, episodes, marker, around_s, bool(near)))
    return found


def mean_reactions(labels: Sequence[str], reactions: Sequence[Reaction]) -> list[MeanReaction]:
    """One a marker's name; the interval comes of drawing its markers again, which are its blocks of time."""
    found = []
    for name in dict.fromkeys(r.marker.name for r in reactions):
        mine = [r for r in reactions if r.marker.name == name]
        used = [r for r in mine if r.change]
        change = {label: _mean([r.change[label] for r in used]) for label in labels if used}
        begun = {label: [r.latency_s[label] for r in mine if label in r.latency_s] for label in (*labels, UNCERTAIN)}
        latency = {label: _mean(values) for label, values in begun.items() if values}
        found.append(MeanReaction(name, len(mine), len(used), change, latency))
    return found


def _reaction(lane: Lane, episodes: Sequence[Episode], marker: Marker, around_s: float, overlaps: bool) -> Reaction:
    before, read_before = _window(lane, marker.time_s - around_s, marker.time_s)
    after, read_after = _window(lane, marker.time_s, marker.time_s + around_s)
    told = min(read_before, read_after) >= LEAST_READ
    change = {label: float(after[i] - before[i]) for i, label in enumerate(lane.labels)} if told else {}
    latency: dict[str, float] = {}
    for e in episodes:
        if e.onset and 0 < e.start_s - marker.time_s <= around_s:
            latency.setdefault(e.label, e.start_s - marker.time_s)
    return Reaction(marker, read_before, read_after, change, latency, overlaps)


def _window(lane: Lane, begin_s: float, end_s: float) -> tuple[Floats, float]:
    """Mean probabilities (K,) of a stretch, by time, and the share of it that was read."""
    inside = np.clip(np.minimum(lane.end_s, end_s) - np.maximum(lane.start_s, begin_s), 0, None) * lane.read
    seconds = float(inside.sum())
    means = inside @ np.nan_to_num(lane.probabilities) / seconds if seconds else np.zeros(len(lane.labels))
    return means, seconds / (end_s - begin_s)


def _mean(values: Sequence[float]) -> Estimate:
    if len(values) < LEAST_MARKERS:
        return Estimate(float(np.mean(values)))
    drawn = np.random.default_rng(0).integers(0, len(values), (REPLICATES, len(values)))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(np.array(values)[drawn].mean(1), [tail, 1 - tail])
    return Estimate(float(np.mean(values)), float(low), float(high))
