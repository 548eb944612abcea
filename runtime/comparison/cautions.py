"""What to know before a comparison is believed: said loudly, since nothing is refused for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...language import tr, trn
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
        values = sorted({str(s.facts.get(fact, tr("not told"))) for s in sessions})
        if len(values) > 1:
            differ = tr("the sessions differ in their {what} ({values}): some differences may be theirs")
            said.append(differ.format(what=tr(words), values=", ".join(values)))
    return said


def _resting(sessions: Sequence[SubjectSession], grouped: bool) -> list[str]:
    said = []
    without = sorted({s.subject for s in sessions if s.resting is None})
    taken = len({s.subject for s in sessions}) - len(without)
    if grouped and without and taken:
        names = f"{', '.join(without[:5])}{', …' if len(without) > 5 else ''}"
        said.append(
            tr(
                "the resting face was taken off of {subjects} and not of {names}: a difference between these and those "
                "may be the resting face's (--without-resting puts it back)",
                subjects=trn(taken, "subject"),
                names=names,
            )
        )
    if any(s.resting is not None and not s.resting for s in sessions):
        said.append(tr("in some sessions a resting face was guessed as they went on (own:), which hides what lasted"))
    return said


def _too_few(contrasts: Sequence[Contrast]) -> list[str]:
    """Where no p is told, and where no difference could be shown after the correction, however large."""
    said = []
    for kind in dict.fromkeys(c.kind for c in contrasts):
        mine = [c for c in contrasts if c.kind == kind]
        what = tr("sessions") if kind == TREND else tr("subjects")
        said += [*_without_p(kind, what, mine), *_none_can_be(kind, what, [c for c in mine if c.p is not None])]
    return said


def _without_p(kind: str, what: str, mine: Sequence[Contrast]) -> Iterator[str]:
    without = [c for c in mine if c.least_p > 0.05]
    if without:
        yield tr(
            "{kind}: {count} of {all} have neither p nor interval: of {most} {what} or fewer no p could be below 0.05, "
            "whatever they show (at best {least_p})",
            kind=tr(kind),
            count=len(without),
            all=len(mine),
            most=max(c.n_a + c.n_b if kind == GROUPS else c.n_a for c in without),
            what=what,
            least_p=f"{min(c.least_p for c in without):.2g}",
        )


def _none_can_be(kind: str, what: str, tested: Sequence[Contrast]) -> Iterator[str]:
    if tested and min(c.least_p for c in tested) * len(tested) > 0.05:
        yield tr(
            "{kind}: after the correction for {tests} tests none of them can be below 0.05, whatever the {what} show: "
            "have more {what}, or choose fewer figures before you look (--figures)",
            kind=tr(kind),
            tests=len(tested),
            what=what,
        )


def _unordered(sessions: Sequence[SubjectSession]) -> list[str]:
    films = sum(not s.live for s in sessions)
    if not films:
        return []
    return [
        tr(
            "{sessions} of films: it is not known when they were filmed, only when they were looked at, so they are in "
            "no trend",
            sessions=trn(films, "session"),
        )
    ]
