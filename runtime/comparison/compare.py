"""A study's sessions against each other: gathered, checked, compared, and what is to be said about it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import UsageError
from ...language import ENGLISH, speaking
from ...toml_schema import nearest
from ..figures.figures import BY_LABEL, PLAIN, Key
from ..figures.without_rest import without_rest
from ..study.folder import Study, open_study
from .cautions import cautions
from .checks import check_models, check_order, check_resting, check_subjects
from .contrasts import Contrast, conditions_of, groups_of, trends_of
from .groups import read_groups
from .sessions import Choice, LeftOut, SubjectSession, chosen_sessions, opened, subject_sessions

FIGURES = ("share", "valence_index", "expressivity", "change")
"""Compared unless others are named: more tests need more subjects after the correction."""


@dataclass(frozen=True)
class CompareOptions:
    """What to compare.

    Attributes:
        study: its folder.
        figures: names of docs/session-figures.md, `share` of all labels, `share:happy` of one.
        groups: a CSV `subject,group`; None: no groups.
        choice: which sessions.
        with_intervals: each session's own figures have intervals, which takes longer.
        without_resting: as if no resting face had been taken off anybody.
    """

    study: Path
    figures: tuple[str, ...] = FIGURES
    groups: Path | None = None
    choice: Choice = field(default_factory=Choice)
    with_intervals: bool = False
    without_resting: bool = False


@dataclass(frozen=True)
class Comparison:
    """What came of it.

    Attributes:
        study: its folder; title: of the study.
        sessions: one a subject and session that was compared, in the order of time.
        labels: of the model.
        groups: code -> group; empty without any.
        ids: code -> the random id of every subject that is in it.
        contrasts: every difference and slope.
        left_out: what was not compared, and why.
        warnings: what to know before any of it is believed.
    """

    study: Path
    title: str
    sessions: Sequence[SubjectSession]
    labels: tuple[str, ...]
    groups: Mapping[str, str]
    ids: Mapping[str, str]
    contrasts: Sequence[Contrast]
    left_out: Sequence[LeftOut]
    warnings: Sequence[str]


def compare_study(options: CompareOptions) -> Comparison:
    """Compare a study's sessions.

    Raises:
        UsageError: no such figure, subject or condition, nothing to compare, or sessions that do not compare: of
            different models or resting faces; InputError: sessions that overlap, codes that differ by capitals, a
            damaged session or table.
    """
    study, choice = open_study(options.study), options.choice
    if choice.subject and options.groups:
        raise UsageError(
            "--groups does not go with --subject", cause="groups are of several subjects, a trend is of one"
        )
    for condition in choice.conditions:
        study.check_condition(condition)
    kept, ids = chosen_sessions(study, choice)
    check_order(study.folder, kept)
    pairs, gone = opened(study, kept, choice.model)
    check_subjects(study.folder, pairs, list(ids))
    check_models(study.folder, pairs)
    if options.without_resting:
        pairs = [(one, without_rest(session)) for one, session in pairs]
    sessions, unread = subject_sessions(pairs, choice.subject, options.with_intervals)
    if not sessions:
        raise _nothing(study, [*gone, *unread])
    labels = tuple(map(str, sessions[0].facts["labels"]))
    keys = figure_keys(options.figures, labels)
    groups = read_groups(options.groups, ids) if options.groups else {}
    check_resting(study.folder, sessions)
    contrasts = [
        *(conditions_of(sessions, keys, study.settings.conditions) if not choice.subject else ()),
        *(groups_of(sessions, keys, groups) if not choice.subject else ()),
        *trends_of(sessions, keys),
    ]
    mine = {code: ids[code] for code in dict.fromkeys(s.subject for s in sessions)}
    with speaking(ENGLISH):  # it goes into JSON
        told = cautions(sessions, contrasts, bool(groups))
    left = [*gone, *unread]
    return Comparison(study.folder, study.settings.title, sessions, labels, groups, mine, contrasts, left, told)


def figure_keys(names: Sequence[str], labels: Sequence[str]) -> list[Key]:
    """(figure, label) of names such as `change`, `share` and `share:happy`; raises UsageError."""
    keys: list[Key] = []
    for name in names:
        figure, _, label = name.partition(":")
        known = [*PLAIN, *BY_LABEL]
        if figure not in known or (label and (figure not in BY_LABEL or label not in labels)):
            raise UsageError(
                f"there is no figure {name}" + nearest(name, known),
                cause=f"figures: {', '.join(PLAIN)}, and by label (share:{labels[0]}): {', '.join(BY_LABEL)}",
                hint="fer-edge compare --help",
            )
        keys += [(figure, one) for one in labels] if figure in BY_LABEL and not label else [(figure, label)]
    return list(dict.fromkeys(keys))


def _nothing(study: Study, left: Sequence[LeftOut]) -> UsageError:
    why = "; ".join(f"{one.session}: {one.why}" for one in left[:3])
    return UsageError(
        f"the study {study.folder} has no session to compare",
        cause=why or "none was recorded, or chosen",
        hint=f"fer-edge study show {shlex.quote(str(study.folder))}",
    )
