"""What one person showed over a session, frame by frame: what every figure is computed of."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError, UsageError
from ..report.plots import longest_gap
from ..shares import PERSON_S
from ..storage.session import Session
from ..types import Observation
from ..vision.smoothing import UNCERTAIN

NOT_READ, NOBODY = -1, -2
"""In `Lane.shown`: a face that was there and not read, and none."""
MAX_LANES = 20
"""Faces without a subject, the longest in view first; a crowd has hundreds."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Lane:
    """One person.

    Attributes:
        who: a subject's code, or `face 3` where nobody told.
        labels: the bundle's K labels.
        start_s: (F,) when each frame of the session begins, not decreasing.
        length_s: (F,) for how long it stands; after a break of the source at most `gap_s`.
        seconds: from the first frame to the end of the last, breaks too.
        gap_s: seconds without a reading that are no break.
        shown: (F,) int: position in `labels`, K of `uncertain`, NOT_READ or NOBODY.
        probabilities: (F, K) of the frames alone; NaN where nothing was read.
        several_s: seconds in which the person had more than one face: the largest counts.
    """

    who: str
    labels: tuple[str, ...]
    start_s: Floats
    length_s: Floats
    seconds: float
    gap_s: float
    shown: NDArray[np.int64]
    probabilities: Floats
    several_s: float = 0.0

    @property
    def read(self) -> NDArray[np.bool_]:
        """(F,) where the face was read."""
        return self.shown >= 0

    @property
    def end_s(self) -> Floats:
        """(F,) when each frame ceases to stand."""
        return self.start_s + self.length_s

    @property
    def states(self) -> tuple[str, ...]:
        """The labels, then `uncertain`: what `shown` counts through."""
        return (*self.labels, UNCERTAIN)


def lanes_of(session: Session, subject: str = "", smoothed: bool = True) -> list[Lane]:
    """Everybody in a session: its subjects; without any, each face that was followed for half a second.

    Args:
        subject: whose all of the faces are, where the session does not say.
        smoothed: labels are those shown; else those of each frame alone, whose beginnings are not late.

    Raises:
        UsageError: it is of pictures, or names subjects and another one was given.
        InputError: damaged, or its times run backwards.
    """
    if session.still:
        raise UsageError(
            f"{session.folder} is of pictures, which have no time",
            cause="figures are shares of time, episodes and changes",
            hint="fer-edge report SESSION --only csv,pictures",
        )
    frames = [(index, time_s) for index, time_s, _ in session.frames()]
    if not frames:
        return []
    times = np.array([time_s for _, time_s in frames])
    _check_order(session, times)
    seen = list(session.observations())
    position = {index: i for i, (index, _) in enumerate(frames)}
    groups = _groups(session, seen, subject)
    hold_s = float(session.facts.get("infer_every_s", 0.0))
    if not smoothed:
        groups = {who: [replace(o, label=o.raw_label) for o in group] for who, group in groups.items()}
    return [_lane(who, session.labels, times, position, group, hold_s) for who, group in groups.items()]


def _groups(session: Session, seen: Sequence[Observation], subject: str) -> Mapping[str, list[Observation]]:
    """Observations by person."""
    known = [str(code) for code in session.facts.get("subjects", [])]
    if known and subject and subject not in known:
        raise UsageError(
            f"the session {session.folder} is of {', '.join(known)}, not of {subject}",
            hint="the same command without naming its subject",
        )
    if known:
        return {code: [o for o in seen if getattr(o, "subject", "") == code] for code in known}
    if subject:
        return {subject: list(seen)}
    tracks: defaultdict[int, list[Observation]] = defaultdict(list)
    for o in seen:
        tracks[o.track].append(o)
    longest = Counter({n: group[-1].time_s - group[0].time_s for n, group in tracks.items()}).most_common(MAX_LANES)
    return {f"face {n}": tracks[n] for n, seconds in sorted(longest) if seconds >= PERSON_S}


def _lane(
    who: str,
    labels: tuple[str, ...],
    times: Floats,
    position: Mapping[int, int],
    seen: Sequence[Observation],
    hold_s: float,
) -> Lane:
    gap_s = longest_gap(times.tolist())
    steps = np.diff(times)
    lengths = np.append(steps, steps[-1] if len(steps) else 1.0)  # as ShareTally: the last as long as the one before
    stands = np.minimum(lengths, gap_s)
    code = {label: i for i, label in enumerate((*labels, UNCERTAIN))}
    shown = np.full(len(times), NOBODY)
    probabilities = np.full((len(times), len(labels)), np.nan)
    area, several = np.zeros(len(times)), np.zeros(len(times), bool)
    for o in seen:
        i, size = position[o.frame], o.box[2] * o.box[3]
        several[i] |= shown[i] != NOBODY
        if shown[i] != NOBODY and size <= area[i]:
            continue
        shown[i], area[i] = code.get(o.label, NOT_READ) if o.probabilities else NOT_READ, size
        probabilities[i] = o.probabilities or np.nan
    if hold_s:
        _carry(times, shown, probabilities, hold_s)
    total, both_s = float(lengths.sum()), float(stands[several].sum())
    return Lane(who, labels, times, stands, total, gap_s, shown, probabilities, both_s)


def _carry(times: Floats, shown: NDArray[np.int64], probabilities: Floats, hold_s: float) -> None:
    """A face that is observed only so often shows in between what it showed, as in ShareTally."""
    last = -1
    for i in range(len(times)):
        if shown[i] != NOBODY:
            last = i
        elif last >= 0 and times[i] - times[last] < hold_s:
            shown[i], probabilities[i] = shown[last], probabilities[last]


def _check_order(session: Session, times: Floats) -> None:
    back = np.flatnonzero(np.diff(times) < 0)
    if len(back):
        i = int(back[0])
        raise InputError(
            f"times run backwards in the session {session.folder}: {times[i]:.3f} s, then {times[i + 1]:.3f} s",
            cause="the film's time stamps are damaged, or the clock was put back",
            hint="ffmpeg -i FILE -fflags +genpts -c copy FIXED.mp4",
        )
