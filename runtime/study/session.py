"""A run that joins a study: what must be so before it begins, and what the study keeps of it."""

from __future__ import annotations

import shlex
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ...errors import InputError, UsageError
from ...files import write_text
from ..keeping.places import new_recording
from ..vision.resting_face import OwnRest, RestingFace
from ..vision.seating import ASSIGN
from .consent import consenting
from .folder import open_study
from .register import Register, now_ms, writing


@dataclass(frozen=True)
class StudyOptions:
    """What a run is told of the study that it joins.

    Attributes:
        study: its folder.
        subjects: codes, from the left or in the order of their coming; one or more.
        condition: one of the study's.
        note: a line for people.
        assign: how faces are given to several subjects, one of ASSIGN; None: one subject.
    """

    study: Path
    subjects: tuple[str, ...]
    condition: str = ""
    note: str = ""
    assign: str | None = None


class StudySession:
    """Holds the study while the run goes on; it is in the register before anything of it is on the disk."""

    def __init__(self, options: StudyOptions, resting: bool = False) -> None:
        """Args: resting: the run is told a resting face, which the study keeps of a subject alone.

        Raises UsageError: no consent, no such condition, another run has the study, a resting face is kept already;
        InputError, OutputError.
        """
        self.study, self.options = open_study(options.study), options
        self.study.check_condition(options.condition)
        _check_assign(options)
        with ExitStack() as opened:
            self._register: Register = opened.enter_context(writing(self.study))
            self._subjects = [consenting(self._register, code) for code in options.subjects]
            self._check_clock()
            self._rest = {s.code: path for s in self._subjects if (path := self.study.resting(s.id)).is_file()}
            if resting and self._rest:
                raise _kept_already(self._rest)
            self.id, self.folder = uuid.uuid4().hex, new_recording(self.study.sessions)
            self._enter()
            self._opened = opened.pop_all()
        self._closed = False

    @property
    def seats(self) -> dict[str, Any]:
        """What its pipeline is told of the subjects: fields of `PipelineOptions`."""
        told = {"subjects": self.options.subjects, "assign": self.options.assign or ASSIGN[0]}
        return {**told, "resting": self._rest} if self._rest else told

    def keep_resting(self, resting: RestingFace) -> Path | None:
        """Keep the resting face of a subject alone, for all sessions to come; None where there is nothing to keep.

        Raises InputError: there was not one face in the seconds of rest, or it was not at rest; OutputError.
        """
        if self._rest or len(self._subjects) > 1 or isinstance(resting, OwnRest):
            return None
        subject = self._subjects[0]
        path, profile = self.study.resting(subject.id), resting.profile()
        if resting.describe()["doubtful"]:
            raise InputError(
                f"the resting face of {subject.code} is not kept: it looks like an expression, not a face at rest",
                cause="it was not relaxed in these seconds; a lasting expression would no longer show",
                hint="the same command again, with a relaxed face at the beginning",
            )
        write_text(path, profile.to_json(), private=True)
        return path

    @property
    def facts(self) -> dict[str, Any]:
        """What the session itself says, as JSON values."""
        given = self.options
        told = {"study": self.study.settings.title, "session": self.id, "subjects": list(given.subjects)}
        return {**told, "condition": given.condition, "note": given.note, "assign": given.assign or ASSIGN[0]}

    def close(self) -> None:
        """Say that it has ended, or take it out of the register where nothing was recorded; OutputError.

        Calling it again is harmless.
        """
        if self._closed:
            return
        self._closed = True
        try:
            if self.folder.exists():
                self._register.write("UPDATE sessions SET ended_ms = ? WHERE id = ?", now_ms(), self.id)
            else:
                with self._register.transaction():
                    self._register.write("DELETE FROM participants WHERE session = ?", self.id)
                    self._register.write("DELETE FROM sessions WHERE id = ?", self.id)
        finally:
            self._opened.close()

    def _enter(self) -> None:
        given = self.options
        with self._register.transaction():
            values = (self.id, self.folder.name, given.condition, given.note, now_ms())
            self._register.write("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, NULL)", *values)
            for place, subject in enumerate(self._subjects):
                self._register.write("INSERT INTO participants VALUES (?, ?, ?)", self.id, subject.id, place)

    def _check_clock(self) -> None:
        """Raise UsageError where a subject's session would begin before the one before it ended."""
        for subject in self._subjects:
            last = max((s.ended_ms or s.began_ms for s in self._register.sessions(subject)), default=0)
            if last > now_ms():
                until = datetime.fromtimestamp(last / 1000).astimezone().isoformat(timespec="seconds")
                raise UsageError(
                    f"a session of {subject.code} went on until {until}, which by this machine's clock is to come",
                    cause="the clock was put back, and sessions that overlap cannot be put in order",
                    hint="timedatectl",
                )


def _kept_already(kept: Mapping[str, Path]) -> UsageError:
    code, path = next(iter(kept.items()))
    return UsageError(
        f"the resting face of {code} is kept in the study, and --resting would take another",
        cause="all sessions of a subject are held against the same resting face; leave out --resting",
        hint=f"rm {shlex.quote(str(path))}  # if it was wrong: the next --resting is kept",
    )


def _check_assign(options: StudyOptions) -> None:
    codes = options.subjects
    double = next((c for i, c in enumerate(codes) if c.lower() in [other.lower() for other in codes[:i]]), None)
    if double:
        raise UsageError(f"the subject {double} was given twice", hint="the same command with every subject once")
    if len(codes) > 1 and options.assign is None:
        raise UsageError(
            f"whose face is whose: {len(codes)} subjects were given",
            cause="faces are given to subjects by their seat from the left, or in the order of their coming",
            hint="the same command with --assign seat, or --assign order",
        )
