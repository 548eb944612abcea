"""Withdrawal, and sessions that are too old: everything goes, and a search of the study's folder proves it."""

from __future__ import annotations

import json
import mmap
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ...errors import OutputError
from ..storage.schema import SIDES
from ..storage.wipe import shred, shred_all
from .folder import Study
from .overview import expired
from .register import KeptSession, Register, Subject, reading, writing

ABOUT = "subject.json"
"""The file by which an export is known for one; `export.py` writes it."""
COMPARED = "comparison.json"
"""The same of a comparison, which has figures of several subjects and goes when one of them withdraws."""


@dataclass(frozen=True)
class Wiped:
    """What was removed.

    Attributes:
        sessions: names of their folders; exports: the folders that were removed.
        resting: a resting face was kept, and is gone.
        searched: bytes that were searched afterwards for the ids of what was removed, in vain.
        mentions: where the subject's code still stands, in texts that people wrote.
        absent: exports that are not where they were written; whoever moved or copied one has to remove it.
    """

    sessions: tuple[str, ...]
    exports: tuple[str, ...] = ()
    resting: bool = False
    searched: int = 0
    mentions: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


def to_withdraw(study: Study, code: str) -> list[KeptSession]:
    """The sessions that go when a subject withdraws, those with others too; raises UsageError, InputError."""
    with reading(study) as register:
        return register.sessions(register.subject(code))


def to_expire(study: Study) -> list[KeptSession]:
    """The sessions that are older than the study keeps them; raises InputError."""
    with reading(study) as register:
        return expired(study, register.sessions())


def withdraw(study: Study, code: str) -> Wiped:
    """Remove a subject: every session in which the subject took part, exports, resting face, consents and code.

    Files are overwritten with zeros and removed, rows deleted with `secure_delete` and the database rebuilt, as
    `storage/wipe.py` does. Then every file of the study is searched for the ids of what was removed.

    Raises UsageError: no such subject, or another program has the study; OutputError: something cannot be removed, or
    is found afterwards. Until everything is gone the subject stays in the register, so that it can be tried again.
    """
    with writing(study) as register:
        subject = register.subject(code)
        sessions = register.sessions(subject)
        paths = [Path(path) for (path,) in register.rows("SELECT path FROM exports WHERE subject = ?", subject.id)]
        exports = [path for path in paths if _is_export(path, subject)]
        profile = study.resting(subject.id)
        kept = [profile] if profile.exists() else []
        folders = [f for s in sessions if (f := study.sessions / s.folder).exists()]
        _remove(study, [*folders, *exports], kept, f"withdraw {shlex.quote(code)}")
        for path in exports:  # if the search finds a copy, they are no longer looked for the next time
            register.write("DELETE FROM exports WHERE path = ?", str(path))  # a comparison is other subjects' too
        searched = _search(study, _ids(sessions, (subject.id,)))
        _forget(register, sessions, subject)
        mentions = tuple(_mentions(study, register, code))
    searched += _prove(study, _ids(sessions, (subject.id,)), list(_databases(study)), "withdrawn")
    names = tuple(s.folder for s in sessions)
    absent = tuple(str(path) for path in paths if path not in exports)
    return Wiped(names, tuple(map(str, exports)), bool(kept), searched, mentions, absent)


def expire(study: Study) -> Wiped:
    """Remove sessions that are older than `keep_days`, as `withdraw` does; exports and subjects stay."""
    with writing(study) as register:
        sessions = expired(study, register.sessions())
        _remove(study, [f for s in sessions if (f := study.sessions / s.folder).exists()], [], "expire")
        searched = _search(study, _ids(sessions))
        _forget(register, sessions, None)
    searched += _prove(study, _ids(sessions), list(_databases(study)), "expired")
    return Wiped(tuple(s.folder for s in sessions), searched=searched)


def _remove(study: Study, folders: Sequence[Path], files: Sequence[Path], action: str) -> None:
    """Overwrite and remove folders and files; raises OutputError with what is left."""
    if left := shred_all(files, folders):
        verb, _, code = action.partition(" ")
        raise OutputError(
            f"these are left: {', '.join(map(str, left))}",
            cause=f"{next(iter(left.values()))}",
            hint=f"sudo fer-edge study {verb} {shlex.quote(str(study.folder))} {code} --yes",
        )


def _search(study: Study, ids: Sequence[str]) -> int:
    """Search what is left beside the register; as `_prove`."""
    mine = set(_databases(study))
    others = [f for f in study.folder.rglob("*") if f.is_file() and not f.is_symlink() and f not in mine]
    return _prove(study, ids, others, "removed")


def _forget(register: Register, sessions: Sequence[KeptSession], subject: Subject | None) -> None:
    """Delete the rows, rebuild the database and overwrite its journal, which would keep them."""
    journal = register.study.database.with_name(register.study.database.name + "-journal")
    register.rows("PRAGMA journal_mode = PERSIST")
    with register.transaction():
        for session in sessions:
            register.write("DELETE FROM participants WHERE session = ?", session.id)
            register.write("DELETE FROM sessions WHERE id = ?", session.id)
        for table in ("consents", "exports") if subject else ():
            register.write(f"DELETE FROM {table} WHERE subject = ?", subject.id if subject else "")
        if subject:
            register.write("DELETE FROM subjects WHERE id = ?", subject.id)
    register.write("VACUUM")
    if journal.exists():
        shred(journal)


def _ids(sessions: Sequence[KeptSession], others: tuple[str, ...] = ()) -> list[str]:
    return [*others, *(s.id for s in sessions)]


def _databases(study: Study) -> Iterator[Path]:
    for side in SIDES:
        file = study.database.with_name(study.database.name + side)
        if file.exists():
            yield file


def _prove(study: Study, ids: Sequence[str], files: Sequence[Path], what: str) -> int:
    """Search files for ids; returns the bytes searched, raises OutputError with the files that have one."""
    pattern = re.compile("|".join(ids).encode()) if ids else None
    searched, found = 0, []
    for file in files:
        size = file.stat().st_size
        if not pattern or not size:
            continue
        searched += size
        with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if pattern.search(data):
                found.append(file)
    if found:
        raise OutputError(
            f"what should be {what} is still in: {', '.join(map(str, found))}",
            cause="somebody put a copy there, which is yours to remove",
            hint=f"rm -r {shlex.quote(str(found[0]))}  # if it is a copy; then the same again",
        )
    return searched


def _is_export(path: Path, subject: Subject) -> bool:
    """Whether an export, or a comparison with the subject in it, is there still, and nothing else of that name."""
    for name in (ABOUT, COMPARED):
        with suppress(OSError, ValueError, AttributeError):
            about = json.loads((path / name).read_text(encoding="utf-8"))
            return subject.id in (about.get("id"), *about.get("ids", {}).values())
    return False


def _mentions(study: Study, register: Register, code: str) -> Iterator[str]:
    """Where a code stands as a word: notes of other sessions, names of files, texts that people put into the study."""
    word = re.compile(rf"(?<![A-Za-z0-9]){re.escape(code)}(?![A-Za-z0-9])", re.IGNORECASE)
    for session in register.sessions():
        if word.search(session.note):
            yield f"the note of session {session.folder}"
    for path in sorted(study.folder.rglob("*")):
        if word.search(path.name):
            yield str(path)
        elif path.is_file() and path.suffix in (".txt", ".md", ".toml", ".csv", ".json", ".jsonl", ".html"):
            with suppress(OSError):
                if word.search(path.read_text(encoding="utf-8", errors="ignore")):
                    yield str(path)
