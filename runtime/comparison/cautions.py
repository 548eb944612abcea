"""What to know before a comparison is believed: said loudly, since nothing is refused for it."""

from __future__ import annotations

from collections.abc import Sequence

from ...words import counted
from .contrasts import GROUPS, TREND, Contrast
from .sessions import SubjectSession

TOLD = {"smoother": "smoothing", "detector": "face detectors", "infer_every_s": "times between readings of a face"}
"""Facts that move some figures a little: where they differ it is said."""


def cautions(sessions: Sequence[SubjectSession], contrasts: Sequence[Contrast], grouped: bool) -> list[str]:
    """A sentence each; `grouped`: subjects are compared with each other, not only with themselves."""
    return [*_made_otherwise(sessions), *_resting(sessions, grouped), *_too_few(contrasts), *_unordered(sessions)]


def _made_otherwise(sessions: Sequence[SubjectSession]) -> list[str]:
    said = []
    for fact, words in TOLD.items():
        values = sorted({str(s.facts.get(fact, "not told")) for s in sessions})
        if len(values) > 1:
            said.append(f"the sessions differ in their {words} ({', '.join(values)}): some differences may be theirs")
    return said


def _resting(sessions: Sequence[SubjectSession], grouped: bool) -> list[str]:
    said = []
    without = sorted({s.subject for s in sessions if s.resting is None})
    taken = len({s.subject for s in sessions}) - len(without)
    if grouped and without and taken:
        names = f"{', '.join(without[:5])}{', …' if len(without) > 5 else ''}"
        said.append(
            f"the resting face was taken off of {counted(taken, 'subject')} and not of {names}: a difference between "
            "these and those may be the resting face's (--without-resting puts it back)"
        )
    if any(s.resting is not None and not s.resting for s in sessions):
        said.append("in some sessions a resting face was guessed as they went on (own:), which hides what lasted")
    return said


def _too_few(contrasts: Sequence[Contrast]) -> list[str]:
    """Where no p is told, and where no difference could be shown after the correction, however large."""
    said = []
    for kind in dict.fromkeys(c.kind for c in contrasts):
        mine = [c for c in contrasts if c.kind == kind]
        what = "sessions" if kind == TREND else "subjects"
        without = [c for c in mine if c.least_p > 0.05]
        if without:
            most = max(c.n_a + c.n_b if kind == GROUPS else c.n_a for c in without)
            least_p = min(c.least_p for c in without)
            said.append(
                f"{kind}: {len(without)} of {len(mine)} have neither p nor interval: of {most} {what} or fewer no p "
                f"could be below 0.05, whatever they show (at best {least_p:.2g})"
            )
        tested = [c for c in mine if c.p is not None]
        if tested and min(c.least_p for c in tested) * len(tested) > 0.05:
            said.append(
                f"{kind}: after the correction for {len(tested)} tests none of them can be below 0.05, whatever the "
                f"{what} show: have more {what}, or choose fewer figures before you look (--figures)"
            )
    return said


def _unordered(sessions: Sequence[SubjectSession]) -> list[str]:
    films = sum(not s.live for s in sessions)
    if not films:
        return []
    return [
        f"{counted(films, 'session')} of films: it is not known when they were filmed, only when they were looked at, "
        "so they are in no trend"
    ]
