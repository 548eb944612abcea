"""What each subject showed in each session of a study: the sessions that can be compared, and why others cannot."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...errors import UsageError
from ...toml_schema import nearest
from ..figures.figures import Estimate, Key, figures_of
from ..figures.lane import Lane, lanes_of
from ..figures.without_rest import WithoutRest, rests_of
from ..storage import store_path
from ..storage.session import Session, open_session
from ..study.folder import Study
from ..study.register import KeptSession, reading

LEAST_READ_S = 10.0
"""Of a subject whose face was read for less, a session tells nothing; the same as for an interval of a session."""


@dataclass(frozen=True)
class SubjectSession:
    """One subject in one session.

    Attributes:
        session: its folder's name in the study.
        live: of a camera or stream, so that `began_ms` is when it happened, and not when a film was looked at.
        began_ms: milliseconds since 1970.
        seconds: from its first frame to its last; read_s: of these with a face that was read.
        estimates: every figure of it.
        facts: of the session.
        resting: log-probabilities of the resting face that was taken off, by label; None: none was.
    """

    session: str
    subject: str
    condition: str
    live: bool
    began_ms: int
    seconds: float
    read_s: float
    estimates: Mapping[Key, Estimate]
    facts: Mapping[str, Any] = field(repr=False)
    resting: Mapping[str, float] | None = None


@dataclass(frozen=True)
class LeftOut:
    """A session, or one subject's part in it, that is not compared, and why."""

    session: str
    subject: str
    why: str


@dataclass(frozen=True)
class Gathered:
    """What there is to compare, in the order of time, and what is not; `ids`: of the study's subjects, by code."""

    sessions: Sequence[SubjectSession]
    left_out: Sequence[LeftOut]
    ids: Mapping[str, str]
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choice:
    """Which sessions: names of folders that are left out, conditions (none: all), a subject (none: all), and the
    beginning of the artifact's SHA-256 (none: any)."""

    left_out: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    subject: str = ""
    model: str = ""


def chosen_sessions(study: Study, choice: Choice) -> tuple[list[KeptSession], dict[str, str]]:
    """The register's sessions that were asked for, the oldest first, and the subjects' ids by code.

    Raises UsageError for a subject or session that is not in the study; InputError.
    """
    with reading(study) as register:
        kept, ids = register.sessions(), {s.code: s.id for s in register.subjects()}
    folders = [s.folder for s in kept]
    _check_known(study, "subject", [choice.subject] if choice.subject else [], list(ids))
    _check_known(study, "session", choice.left_out, folders)
    wanted = [s for s in kept if s.folder not in choice.left_out]
    wanted = [s for s in wanted if not choice.conditions or s.condition in choice.conditions]
    return [s for s in wanted if not choice.subject or choice.subject in s.subjects], ids


def _check_known(study: Study, noun: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            raise UsageError(
                f"the study {study.folder} has no {noun} {name}" + nearest(name, known),
                hint=f"fer-edge study show {shlex.quote(str(study.folder))}",
            )


def opened(
    study: Study, kept: Sequence[KeptSession], model: str
) -> tuple[list[tuple[KeptSession, Session]], list[LeftOut]]:
    """The stores of sessions that have ended, made by an artifact that begins with `model`; raises InputError."""
    found, left = [], []
    for one in kept:
        folder = study.sessions / one.folder
        if one.ended_ms is None:
            left.append(LeftOut(one.folder, "", "it was broken off, or goes on"))
        elif not store_path(folder).is_file():
            left.append(LeftOut(one.folder, "", "its folder is gone"))
        elif not str((session := open_session(folder)).facts.get("artifact_sha256", "")).startswith(model):
            left.append(LeftOut(one.folder, "", "another model made it"))
        else:
            found.append((one, session))
    return found, left


def subject_sessions(
    pairs: Sequence[tuple[KeptSession, Session]], subject: str, bootstrap: bool
) -> tuple[list[SubjectSession], list[LeftOut]]:
    """What each subject (or one) showed in them, each figure with its interval where `bootstrap`; raises InputError."""
    found, left = [], []
    for kept, session in pairs:
        for lane in lanes_of(session):
            if subject and lane.who != subject:
                continue
            one = _of_lane(kept, session, lane, bootstrap)
            if one.read_s < LEAST_READ_S:
                why = f"the face was read for {one.read_s:.1f} s, which is less than {LEAST_READ_S:g} s"
                left.append(LeftOut(kept.folder, lane.who, why))
            else:
                found.append(one)
    return sorted(found, key=lambda s: s.began_ms), left


def _of_lane(kept: KeptSession, session: Session, lane: Lane, bootstrap: bool) -> SubjectSession:
    facts = session.facts
    read_s = float(lane.length_s[lane.read].sum())
    live = bool(facts.get("live"))
    began_ms = int(facts["started_wall_ms"]) if live and "started_wall_ms" in facts else kept.began_ms
    return SubjectSession(
        session=kept.folder,
        subject=lane.who,
        condition=kept.condition,
        live=live,
        began_ms=began_ms,
        seconds=lane.seconds,
        read_s=read_s,
        estimates=figures_of(lane, bootstrap).estimates,
        facts=facts,
        resting=_resting(session, lane.who),
    )


def _resting(session: Session, subject: str) -> Mapping[str, float] | None:
    """By label, of what was taken off the subject's face; empty where it is not known in numbers."""
    told = None if isinstance(session, WithoutRest) else rests_of(session.facts)
    if told is None:
        return None
    return told.get(subject, told.get("")) if told else {}
