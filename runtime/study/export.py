"""Everything that a study has about one subject, as a folder to hand over."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...errors import UsageError
from ...files import write_text, writing_folder
from ..report.video import find_video
from ..storage.session import Session, open_session
from ..storage.session_tables import write_csv, write_jsonl, write_markers, write_signals, write_windows
from ..storage.windows import Window
from ..types import Observation
from .folder import Study
from .register import KeptSession, Register, Subject, now_ms, writing
from .withdraw import ABOUT


@dataclass(frozen=True)
class Exported:
    """What was written: the folder, how many sessions, and films that were left out since others may be in them."""

    out: Path
    sessions: int
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class OwnSession(Session):
    """A session of which only one subject's face is seen."""

    subject: str = ""

    def observations(self) -> Iterator[Observation]:
        """See Session; of the subject alone."""
        return (o for o in super().observations() if o.subject == self.subject)

    def windows(self) -> Iterator[Window]:
        """See Session; of tracks that were the subject's."""
        own = {o.track for o in self.observations()}
        return (w for w in super().windows() if w.track in own)


def export_subject(study: Study, code: str, out: Path) -> Exported:
    """Write a subject's consents, resting face and own rows of every session into a new folder, which is remembered.

    A film goes with it where nobody else was seen in it. Raises UsageError: no such subject, or the folder is there;
    InputError: a session cannot be read; OutputError.
    """
    if out.exists():
        raise UsageError(f"{out} is there already", hint="choose another folder")
    with writing(study) as register:
        subject = register.subject(code)
        place = str(out.resolve())
        register.write(
            "INSERT INTO exports VALUES (?, ?, ?)", subject.id, place, now_ms()
        )  # also known if it breaks off
        sessions = [s for s in register.sessions(subject) if (study.sessions / s.folder / "observations.db").is_file()]
        try:
            with writing_folder(out) as folder:
                folder.chmod(0o700)
                _write_about(register, subject, folder)
                left_out = [name for s in sessions if (name := _write_session(study, s, code, folder))]
        except BaseException:
            register.write("DELETE FROM exports WHERE subject = ? AND path = ?", subject.id, place)
            raise
    return Exported(out, len(sessions), tuple(left_out))


def _write_about(register: Register, subject: Subject, folder: Path) -> None:
    """Who it is, the consents with the texts, and the resting face."""
    columns = "version, sha256, given_ms, witness, recorded_ms, name, content"
    query = f"SELECT {columns} FROM consents JOIN forms ON form = sha256"
    consents: list[dict[str, Any]] = []
    for *told, name, content in register.rows(f"{query} WHERE subject = ? ORDER BY recorded_ms", subject.id):
        consents.append(dict(zip(("version", "form", "given_ms", "witness", "recorded_ms"), told, strict=True)))
        file = folder / "forms" / f"{told[1][:12]}-{name}"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
    sessions = [{**asdict(s), "subjects": [subject.code]} for s in register.sessions(subject)]  # of others nothing
    about = {"id": subject.id, "code": subject.code, "consents": consents, "sessions": sessions}
    write_text(folder / ABOUT, json.dumps(about, indent=1, ensure_ascii=False) + "\n")
    profile = register.study.resting(subject.id)
    if profile.is_file():
        shutil.copyfile(profile, folder / "resting.json")


def _write_session(study: Study, kept: KeptSession, code: str, folder: Path) -> str:
    """The subject's rows of a session; returns the film that was left out, if one was."""
    session = open_session(study.sessions / kept.folder)
    own = OwnSession(session.folder, session.facts, code)
    place = folder / "sessions" / kept.folder
    place.mkdir(parents=True)
    facts = {**session.facts, "subjects": [code]}
    write_text(place / "session.json", json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    write_csv(own, place / "observations.csv")
    write_jsonl(own, place / "observations.jsonl")
    write_windows(own, place / "windows.csv")
    for there, write, name in (
        (session.markers(), write_markers, "markers.csv"),
        (session.signals(), write_signals, "signals.csv"),
    ):
        if there:
            write(own, place / name)
    film = find_video(session.folder)
    if film is None:
        return ""
    if any(o.subject != code for o in session.observations()):
        return str(film)
    shutil.copyfile(film, place / film.name)
    return ""
