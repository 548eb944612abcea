"""The three questions: does a figure differ between conditions, between groups, and does a subject's change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from ..figures.figures import Key
from . import exact
from .sessions import SubjectSession

WEEK_MS = 7 * 86_400_000
LEAST_IN_TREND, LEAST_SUBJECTS = 3, 2
"""Fewer have no trend, and no difference."""
CONDITIONS, GROUPS, TREND = "conditions", "groups", "trend"


@dataclass(frozen=True)
class Contrast:
    """One difference or slope.

    Attributes:
        kind: CONDITIONS (the same subjects in both), GROUPS (other subjects in each) or TREND (one subject over time).
        condition: in which it was looked at, of a trend and of groups.
        a, b: the two that are compared, b against a; empty of a trend.
        subject: of a trend.
        n_a, n_b: subjects with a value in each; of a trend sessions, and 0.
        mean_a, mean_b: over subjects; of a trend the first and the last session's value.
        estimate: mean of b less mean of a; of a trend the rise in a week.
        low, high: its interval of 95 %, not corrected; None where so few give none.
        effect: Hedges' g of the differences, or between groups; Kendall's tau of a trend.
        p: of an exact test; None where no result of so few could be below 0.05, or nothing varies.
        least_p: the smallest that so many could give.
        p_holm: p corrected for all tests of its kind.
    """

    kind: str
    condition: str
    a: str
    b: str
    subject: str
    figure: str
    label: str
    n_a: int
    n_b: int
    mean_a: float
    mean_b: float
    estimate: float
    low: float | None
    high: float | None
    effect: float | None
    p: float | None
    least_p: float
    p_holm: float | None = None


def conditions_of(sessions: Sequence[SubjectSession], keys: Sequence[Key], order: Sequence[str]) -> list[Contrast]:
    """Every condition against every other, in that order: subjects in both, each by the mean of their sessions."""
    found = []
    for a, b in combinations(_in_order({s.condition for s in sessions if s.condition}, order), 2):
        for key in keys:
            first, second = (_by_subject(sessions, key, condition) for condition in (a, b))
            both = [code for code in first if code in second]
            if len(both) >= LEAST_SUBJECTS:
                values = [first[c] for c in both], [second[c] for c in both]
                found.append(_difference(CONDITIONS, "", (a, b), key, values, exact.paired(*values)))
    return _corrected(found)


def groups_of(sessions: Sequence[SubjectSession], keys: Sequence[Key], groups: Mapping[str, str]) -> list[Contrast]:
    """Every group against every other within each condition; `groups`: code -> group."""
    found = []
    names = list(dict.fromkeys(groups.values()))
    for condition in sorted({s.condition for s in sessions}):
        for a, b in combinations(names, 2):
            for key in keys:
                of = _by_subject(sessions, key, condition)
                values = tuple([v for code, v in of.items() if groups.get(code) == name] for name in (a, b))
                if min(map(len, values)) >= LEAST_SUBJECTS:
                    found.append(_difference(GROUPS, condition, (a, b), key, values, exact.unpaired(*values)))
    return _corrected(found)


def trends_of(sessions: Sequence[SubjectSession], keys: Sequence[Key]) -> list[Contrast]:
    """Each subject's figures over the sessions of each condition, in weeks; not of films, whose date is not known."""
    found = []
    for (subject, condition), theirs in _series(sessions):
        for key in keys:
            told = [(s.began_ms / WEEK_MS, v) for s in theirs if (v := s.estimates[key].value) is not None]
            if len(told) < LEAST_IN_TREND:
                continue
            times, values = zip(*told, strict=True)
            slope = exact.trend(times, values)
            found.append(
                _contrast(TREND, condition, ("", ""), subject, key, (len(told), 0), (values[0], values[-1]), slope)
            )
    return _corrected(found)


def _series(sessions: Sequence[SubjectSession]) -> Iterator[tuple[tuple[str, str], list[SubjectSession]]]:
    series: defaultdict[tuple[str, str], list[SubjectSession]] = defaultdict(list)
    for one in sorted((s for s in sessions if s.live), key=lambda s: s.began_ms):
        series[one.subject, one.condition].append(one)
    yield from sorted(series.items())


def _by_subject(sessions: Sequence[SubjectSession], key: Key, condition: str) -> dict[str, float]:
    """Mean of a figure over each subject's sessions of a condition, where it is defined."""
    values: defaultdict[str, list[float]] = defaultdict(list)
    for one in sessions:
        value = one.estimates[key].value
        if one.condition == condition and value is not None:
            values[one.subject].append(value)
    return {code: float(np.mean(told)) for code, told in sorted(values.items())}


def _difference(
    kind: str,
    condition: str,
    names: tuple[str, str],
    key: Key,
    values: Sequence[Sequence[float]],
    v: exact.Verdict,
) -> Contrast:
    first, second = values
    means = float(np.mean(first)), float(np.mean(second))
    return _contrast(kind, condition, names, "", key, (len(first), len(second)), means, v)


def _contrast(
    kind: str,
    condition: str,
    names: tuple[str, str],
    subject: str,
    key: Key,
    counts: tuple[int, int],
    means: tuple[float, float],
    v: exact.Verdict,
) -> Contrast:
    return Contrast(
        kind=kind, condition=condition, a=names[0], b=names[1], subject=subject, figure=key[0], label=key[1],
        n_a=counts[0], n_b=counts[1], mean_a=means[0], mean_b=means[1],
        estimate=v.estimate, low=v.low, high=v.high, effect=v.effect, p=v.p, least_p=v.least_p,
    )  # fmt: skip


def _corrected(found: Sequence[Contrast]) -> list[Contrast]:
    return [replace(c, p_holm=p) for c, p in zip(found, exact.holm([c.p for c in found]), strict=True)]


def _in_order(names: set[str], order: Sequence[str]) -> list[str]:
    """As the study names them, others behind."""
    return sorted(names, key=lambda name: (order.index(name) if name in order else len(order), name))
