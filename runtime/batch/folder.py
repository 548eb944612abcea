"""A batch's folder: whose it is, what in it is finished, and what is removed from it."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...errors import UsageError
from ..storage.lock import Claim
from .batch_file import BatchFile
from .files import Plan
from .record import (
    RECORD,
    SET_ASIDE,
    Record,
    kept_record,
    observations_path,
    record_of,
    segments_folder,
    session_folder,
    set_aside_path,
    write_record,
)
from .segments.film import DIVISION
from .settings import SETTINGS
from .summary import SUMMARY, TABLE
from .worker import Answer, Fault

OURS = {SETTINGS, "sessions", "observations", "segments", "set-aside", SUMMARY, TABLE}
"""What a batch's folder holds."""


@contextmanager
def claimed(out: Path) -> Iterator[None]:
    """Hold the batch's folder, made where it is missing; what a killed worker left half-made is removed."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file, not a folder", hint=f"ls -l {shlex.quote(str(out))}")
    others = {path.name for path in out.iterdir() if path.name[0] != "."} - OURS if out.is_dir() else set()
    if others and not (out / SETTINGS).exists():
        raise UsageError(
            f"{out} holds something else: {', '.join(sorted(others)[:3])}",
            cause="a batch has a folder of its own",
            hint=f"ls {shlex.quote(str(out))}",
        )
    claim = Claim(out, "another fer-edge batch is at work with this --out", "wait for it, or choose another --out")
    try:
        clear(out)
        yield
    finally:
        with suppress(OSError):
            out.rmdir()  # only where nothing came to be in it
        claim.release()


def clear(out: Path) -> None:
    """Remove what workers that were killed had begun, and segments of films that are finished."""
    for part in out.glob("sessions/.*.part"):
        shutil.rmtree(part, ignore_errors=True)
    for place in ("observations/*", "segments/*", "set-aside"):
        for part in out.glob(f"{place}/.*.part*"):
            part.unlink(missing_ok=True)
    for division in out.glob(f"segments/*/{DIVISION}"):
        record = session_folder(out, division.parent.name) / RECORD
        if record.exists() and record.stat().st_mtime_ns > division.stat().st_mtime_ns:
            shutil.rmtree(division.parent, ignore_errors=True)


def left(chosen: Plan, out: Path, retry: bool) -> list[BatchFile]:
    """The files without a record of their own, with `retry` those set aside too; large ones first, to end together."""
    todo = []
    for file in chosen.files:
        known = kept_record(out, file.key)
        if known is None or not known.is_of(file) or (retry and known.state == SET_ASIDE):
            todo.append(file)
    return sorted(todo, key=lambda file: (-_bytes(file), file.key))


def _bytes(file: BatchFile) -> int:
    size = file.version.partition("-")[0]
    return int(size) if size.isdigit() else 0


def keep(out: Path, file: BatchFile, answer: Answer) -> None:
    """Remember why a file was set aside; a record of its own each worker has written. Raises OutputError.

    Either way its segments are no longer needed.
    """
    shutil.rmtree(segments_folder(out, file.key), ignore_errors=True)
    with suppress(OSError):
        (out / "segments").rmdir()  # only where it is empty
    aside = set_aside_path(out, file.key)
    if answer.fault is None:
        aside.unlink(missing_ok=True)
        return
    shutil.rmtree(session_folder(out, file.key), ignore_errors=True)  # of an earlier version of the file
    shutil.rmtree(observations_path(out, file.key).parent, ignore_errors=True)
    write_record(aside, _set_aside(file, answer.fault))


def _set_aside(file: BatchFile, fault: Fault) -> Record:
    return record_of(file, state=SET_ASIDE, fault=fault.message, cause=fault.cause, hint=fault.hint)
