"""What must be so before sessions are held against each other: what would make a difference that no face made."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from ...errors import InputError, UsageError
from ...words import counted
from ..storage.session import Session
from ..study.register import KeptSession
from .sessions import SubjectSession

ALIKE = 1e-3
"""Nats by which log-probabilities of one resting face may differ: the same numbers, through single precision."""


def check_subjects(study: Path, pairs: Sequence[tuple[KeptSession, Session]], codes: Sequence[str]) -> None:
    """Raise InputError where codes differ by capitals alone, or a session says other subjects than the register."""
    said = [str(code) for _, session in pairs for code in session.facts.get("subjects", [])]
    known = dict.fromkeys([*codes, *said])
    by_lower: dict[str, str] = {}
    for code in known:
        other = by_lower.setdefault(code.lower(), code)
        if other != code:
            raise InputError(
                f"{other} and {code} differ only in capital letters: one person twice, or two people mixed up",
                cause="the study was put together by hand from others",
                hint=f"fer-edge study show {shlex.quote(str(study))}",
            )
    for kept, session in pairs:
        told = tuple(map(str, session.facts.get("subjects", [])))
        if sorted(told) != sorted(kept.subjects):
            raise InputError(
                f"the session {kept.folder} says it is of {', '.join(told) or 'nobody'}, "
                f"and the study's register says {', '.join(kept.subjects) or 'nobody'}",
                cause="another session's store lies in its folder",
                hint=f"fer-edge compare {shlex.quote(str(study))} --leave-out {shlex.quote(kept.folder)}",
            )


def check_order(study: Path, kept: Sequence[KeptSession]) -> None:
    """Raise InputError where two sessions of one subject overlap in time."""
    by_subject: defaultdict[str, list[KeptSession]] = defaultdict(list)
    for one in kept:
        for code in one.subjects:
            by_subject[code].append(one)
    for code, theirs in by_subject.items():
        ended = sorted((s for s in theirs if s.ended_ms is not None), key=lambda s: s.began_ms)
        for one, other in pairwise(ended):
            if (one.ended_ms or 0) > other.began_ms:
                raise InputError(
                    f"two sessions of {code} overlap: {one.folder} went on until {_clock(one.ended_ms or 0)}, "
                    f"and {other.folder} began at {_clock(other.began_ms)}",
                    cause="the clock was put back, or the study was put together by hand from others",
                    hint=f"fer-edge compare {shlex.quote(str(study))} --leave-out {shlex.quote(other.folder)}",
                )


def check_models(study: Path, pairs: Sequence[tuple[KeptSession, Session]]) -> None:
    """Raise UsageError where the sessions were not all made by one model's artifact."""
    made: defaultdict[str, list[str]] = defaultdict(list)
    about: dict[str, str] = {}
    for kept, session in pairs:
        sha = str(session.facts.get("artifact_sha256", ""))
        made[sha].append(kept.folder)
        about[sha] = f"{session.facts.get('bundle', '')}, {session.facts.get('artifact', '')}"
    if len(made) > 1:
        told = "; ".join(f"{counted(len(f), 'session')} by {about[sha]} ({sha[:12]})" for sha, f in made.items())
        most = max(made, key=lambda sha: len(made[sha]))
        raise UsageError(
            f"the sessions were made by {len(made)} different models: {told}",
            cause="a difference between them may be the models' and no face's",
            hint=f"fer-edge compare {shlex.quote(str(study))} --model {most[:12]}",
        )


def check_resting(study: Path, sessions: Sequence[SubjectSession]) -> None:
    """Raise UsageError where a subject's sessions are held against different faces, or some against none."""
    by_subject: defaultdict[str, list[SubjectSession]] = defaultdict(list)
    for one in sessions:
        by_subject[one.subject].append(one)
    for code, theirs in by_subject.items():
        without = [s.session for s in theirs if s.resting is None]
        if without and len(without) < len(theirs):
            names = ", ".join(without[:3]) + (", …" if len(without) > 3 else "")
            raise UsageError(
                f"the resting face of {code} was taken off in {len(theirs) - len(without)} of "
                f"{counted(len(theirs), 'session')}, and not in {names}",
                cause="it was recorded after these; a difference would be the resting face's",
                hint=f"fer-edge compare {shlex.quote(str(study))} --without-resting",
            )
        first = theirs[0].resting
        other = next((s for s in theirs[1:] if first is not None and not _same(first, s.resting or {})), None)
        if other:
            raise UsageError(
                f"the sessions of {code} are held against different resting faces: {theirs[0].session} and "
                f"{other.session}",
                cause="the kept one was removed and recorded again",
                hint=f"fer-edge compare {shlex.quote(str(study))} --without-resting",
            )


def _same(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    return one.keys() == other.keys() and all(abs(one[label] - other[label]) <= ALIKE for label in one)


def _clock(wall_ms: int) -> str:
    return datetime.fromtimestamp(wall_ms / 1000).astimezone().isoformat(timespec="seconds")
