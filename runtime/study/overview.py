"""What a study holds, as `study show` tells it."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from .folder import Study
from .register import KeptSession, now_ms, reading

DAY_MS = 86_400_000


@dataclass(frozen=True)
class Person:
    """A subject: how many sessions, and of the newest consent the form's SHA-256, its version, when (ms since 1970)."""

    code: str
    sessions: int
    form: str | None = None
    version: str | None = None
    given_ms: int | None = None
    witness: str | None = None


@dataclass(frozen=True)
class Overview:
    """What a study holds.

    Attributes:
        study: its folder; version: of the consent form that is in force.
        due: how many sessions are older than `keep_days`; none where that is 0.
    """

    study: str
    title: str
    version: str
    keep_days: float
    due: int
    subjects: tuple[Person, ...]
    sessions: tuple[KeptSession, ...]


def overview(study: Study, code: str | None = None) -> Overview:
    """Everything, or what is of one subject; raises InputError, UsageError for a code that is not in the study."""
    with reading(study) as register:
        people = register.subjects() if code is None else [register.subject(code)]
        told = []
        for subject in people:
            given = register.consent(subject)
            told.append(Person(subject.code, len(register.sessions(subject)), *(astuple(given) if given else ())))
        sessions = register.sessions(None if code is None else people[0])
    settings = study.settings
    due = len(expired(study, sessions))
    return Overview(
        str(study.folder),
        settings.title,
        settings.consent.version,
        settings.keep_days,
        due,
        tuple(told),
        tuple(sessions),
    )


def expired(study: Study, sessions: list[KeptSession]) -> list[KeptSession]:
    """Those that began longer ago than the study keeps them."""
    oldest = now_ms() - study.settings.keep_days * DAY_MS
    return [s for s in sessions if study.settings.keep_days and s.began_ms < oldest]
