"""Consent as a record: to which text, when, witnessed by whom; and what must be so before anybody is recorded."""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass

from ...errors import UsageError
from .codes import check_code, like_a_name
from .folder import Study
from .register import Consent, Register, Subject, now_ms, writing


@dataclass(frozen=True)
class ConsentGiven:
    """What is to be recorded.

    Attributes:
        code: the subject's; a new one is added to the study.
        witness: who saw that consent was given.
        given_ms: when, milliseconds since 1970; None: now.
        sure: a code that looks like a name is none.
    """

    code: str
    witness: str
    given_ms: int | None = None
    sure: bool = False


def record_consent(study: Study, given: ConsentGiven) -> Consent:
    """Record that a subject consented to the form that is in force; raises UsageError, InputError, OutputError."""
    name, content = study.form()
    sha256, version, now = hashlib.sha256(content).hexdigest(), study.settings.consent.version, now_ms()
    again = f"fer-edge study consent {shlex.quote(str(study.folder))} {shlex.quote(given.code)}"
    if not given.witness.strip():
        raise UsageError("consent needs a witness", hint=f"{again} --witness NAME")
    if given.given_ms is not None and given.given_ms > now:
        raise UsageError("consent cannot be given in the future", cause="the date or this machine's clock is wrong")
    with writing(study) as register:
        check_code(given.code, [s.code for s in register.subjects()])
        new = given.code not in [s.code for s in register.subjects()]
        if new and like_a_name(given.code) and not given.sure:
            raise UsageError(
                f"{given.code} may be somebody's name, and a subject's code is a pseudonym",
                cause="who has the study's folder would know whose faces these are",
                hint=f"choose a code such as P07; if {given.code} names nobody, the same command with --yes",
            )
        _check_version(register, sha256, version)
        with register.transaction():
            register.write("INSERT OR IGNORE INTO forms VALUES (?, ?, ?, ?)", sha256, version, name, content)
            subject = register.add_subject(given.code) if new else register.subject(given.code)
            moment = now if given.given_ms is None else given.given_ms
            values = (subject.id, sha256, moment, given.witness.strip(), now)
            register.write("INSERT INTO consents VALUES (?, ?, ?, ?, ?)", *values)
    return Consent(sha256, version, moment, given.witness.strip())


def consenting(register: Register, code: str) -> Subject:
    """The subject of that code, who consented to the form that is in force; raises UsageError, InputError."""
    known = [s.code for s in register.subjects()]
    check_code(code, known)
    if code not in known and like_a_name(code):
        raise UsageError(
            f"no subject {code} consented, and {code} may be somebody's name",
            cause="a subject's code is a pseudonym",
            hint="choose a code such as P07",
        )
    subject = register.subject(code) if code in known else None
    consent = register.consent(subject) if subject else None
    again = f"fer-edge study consent {shlex.quote(str(register.study.folder))} {shlex.quote(code)} --witness NAME"
    if subject is None or consent is None:
        raise UsageError(f"no consent of {code} is on record", cause="nobody is recorded without it", hint=again)
    version = register.study.settings.consent.version
    _check_version(register, hashlib.sha256(register.study.form()[1]).hexdigest(), version)
    if consent.version != version:
        what = f"{code} consented to version {consent.version} of the form, and version {version} is in force"
        raise UsageError(what, cause="the form has changed since", hint=again)
    return subject


def _check_version(register: Register, sha256: str, version: str) -> None:
    """Raise UsageError where the text has changed and its version has not, or the other way round."""
    for known, its in register.rows("SELECT sha256, version FROM forms"):
        if (known == sha256) != (its == version):
            only = f"its version, {version}, is new" if known == sha256 else f"its version, {version}, is the same"
            raise UsageError(
                f"the consent form's text is {'the same' if known == sha256 else 'another one'}, and {only}",
                cause="nobody could say later what was consented to",
                hint="put consent.version up in study.toml whenever the text changes, and only then",
            )
