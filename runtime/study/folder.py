"""The study's folder: `study.toml`, which people write, and beside it what fer-edge keeps."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...errors import InputError, UsageError
from ...files import cannot_write, write_text
from ...toml_schema import Fault, NotToml, build, fields_of, key, nearest, read_toml, toml_value

FILE = "study.toml"
_NAMES: dict[str, Any] = {"low": 1, "high": 60, "words": "names of at most 60 characters", "pattern": r"[^,;\"/\\]+"}


@dataclass(frozen=True)
class ConsentForm:
    """The form that is in force."""

    text: str = key("consent.txt", "the form's file in this folder, of any kind")
    version: str = key("1", "put it up when the text changes: who consented to an older one is asked again", high=60)


@dataclass(frozen=True)
class StudySettings:
    """What people decide."""

    title: str = key("", "for reports")
    conditions: tuple[str, ...] = key((), "the only ones that a session may have; empty: any", **_NAMES)
    markers: tuple[str, ...] = key((), "names of the keys 1 to 9 while a session is recorded", **_NAMES)
    keep_days: float = key(0.0, "sessions older than this are told, and removed by study expire; 0: none", high=36500)
    consent: ConsentForm = field(default_factory=ConsentForm)


@dataclass(frozen=True)
class Study:
    """A study's folder and its settings."""

    folder: Path
    settings: StudySettings

    @property
    def database(self) -> Path:
        """Subjects, consents, sessions and exports."""
        return self.folder / "study.db"

    @property
    def sessions(self) -> Path:
        """Where sessions are recorded, by their beginning: no code is in a folder's name."""
        return self.folder / "sessions"

    def resting(self, subject: str) -> Path:
        """Where a subject's resting face is kept, by the subject's id."""
        return self.folder / "resting" / f"{subject}.json"

    def form(self) -> tuple[str, bytes]:
        """Name and content of the consent form; raises InputError."""
        path = self.folder / self.settings.consent.text
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InputError(
                f"the consent form {path} cannot be read: {error.strerror}",
                cause="nobody put it there yet, or study.toml names another file (consent.text)",
                hint=f"ls -l {shlex.quote(str(self.folder))}",
            ) from None
        if not content.strip():
            raise InputError(f"the consent form {path} is empty", hint=f"ls -l {shlex.quote(str(self.folder))}")
        return path.name, content

    def check_condition(self, name: str) -> None:
        """Raise UsageError for a condition that the study does not have, and where it lacks one."""
        known = self.settings.conditions
        if known and name not in known:
            what = f"the study has no condition {name!r}" if name else "the study has conditions, and none was given"
            raise UsageError(
                what + nearest(name, known),
                cause=f"study.toml has: {', '.join(known)}",
                hint=f"the same command with --condition {shlex.quote(known[0])}",
            )


def settings_of(given: Mapping[str, Any]) -> StudySettings:
    """Settings for a new study, of what is not None; raises UsageError for what a key does not take."""

    def wrong(fault: Fault) -> UsageError:
        return UsageError(f"{fault.name} {fault.what}", hint="fer-edge study --help")

    said = {name: value for name, value in given.items() if value is not None and name != "consent"}
    return replace(build(StudySettings, said, whole="a study", wrong=wrong), consent=given["consent"])


def init_study(folder: Path, settings: StudySettings, form: Path | None = None) -> Study:
    """Make a study's folder, for its owner alone to read, with a copy of the consent form where one is given.

    Raises UsageError: there is one; InputError: the form cannot be read; OutputError.
    """
    if (folder / FILE).exists():
        raise UsageError(f"{folder} is a study already", hint=f"fer-edge study show {folder}")
    try:
        content = form.read_bytes() if form else None
    except OSError as error:
        raise InputError(f"the consent form {form} cannot be read: {error.strerror}", hint=f"ls -l {form}") from None
    study = Study(folder, settings)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        study.sessions.mkdir(mode=0o700, exist_ok=True)
        if content is not None:
            (folder / settings.consent.text).write_bytes(content)
    except OSError as error:
        raise cannot_write(folder / FILE, error) from error
    write_text(folder / FILE, _toml(settings), private=True)
    return study


def open_study(folder: Path) -> Study:
    """Read a study's folder; raises InputError when it is none, or for the first key that is wrong."""
    path = folder / FILE

    def wrong(fault: Fault) -> InputError:
        return InputError(f"{path}, line {fault.line}: {fault.name} {fault.what}", hint=f"cat {path}")

    try:
        text, data = read_toml(path)
    except OSError as error:
        raise InputError(
            f"{folder} is no study: {path.name} cannot be read ({error.strerror})",
            cause="the path is wrong, or the study was not begun",
            hint=f"fer-edge study init {folder}",
        ) from None
    except NotToml as error:
        raise InputError(f"{path} is not valid TOML: {error}", hint=f"cat {path}") from None
    return Study(folder, build(StudySettings, data, text, whole="a study", wrong=wrong))


def _toml(settings: StudySettings) -> str:
    """The first study.toml, each key with what it is for."""
    lines = ["# A study of fer-edge: docs/studies.md. What fer-edge keeps of it is in study.db and sessions/."]
    for table, values in (("", settings), ("consent", settings.consent)):
        lines += ["", f"[{table}]"] if table else [""]
        kind: Any = type(values)
        for name, about in fields_of(kind).items():
            if name != "consent":
                lines += [f"# {about.key.doc}", f"{name} = {_value(getattr(values, name))}"]
    return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    return f"[{', '.join(map(toml_value, value))}]" if isinstance(value, tuple) else toml_value(value)
