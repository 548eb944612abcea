"""When the rules of a configuration would have told something, had a recorded session been before the camera."""

from __future__ import annotations

import csv
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from ...errors import InputError, UsageError
from ...files import writing
from ..config import KioskConfig, read_config
from ..status.snapshot import Aggregate
from ..storage.session import Session
from ..types import Observation
from .camera_rules import CameraRules
from .watch import Fired

COLUMNS = ("rule", "time_s", "value")


@dataclass(frozen=True)
class DryRun:
    """What would have been told.

    Attributes:
        times: rule -> when, in seconds of the session, and its mean then; every rule is in it.
        told_s: seconds in which enough faces were there to be told of.
        seconds: of the session, to its last frame.
        least_group: of the configuration.
        path: the table that was written.
    """

    times: Mapping[str, Sequence[tuple[float, float]]]
    told_s: float
    seconds: float
    least_group: int
    path: Path


def rules_from(path: Path) -> KioskConfig:
    """The rules and the least group of a kiosk's file, or of one that has nothing else in it.

    Raises UsageError: it cannot be read, has no rule, or what is wrong touches a rule.
    """
    result = read_config(path, {})
    ours = [p for p in result.errors if p.key.startswith(("rule", "privacy")) or not p.key]
    if ours:
        raise UsageError(str(ours[0]), hint=f"fer-edge config check {shlex.quote(str(path))}")
    if result.likely is None or not result.likely.rule:
        raise UsageError(
            f"{path} has no rule",
            cause="a rule is a table [[rule]] in a kiosk's configuration; docs/rules.md has two",
        )
    return result.likely


def dry_run(session: Session, path: Path) -> DryRun:
    """Let the rules of a file watch a session as a kiosk would have, tell nobody, and write `rules.csv` into it.

    Raises UsageError as `rules_from`, for a session of pictures, and for a rule with a label that the session does not
    have; InputError: its times run backwards; OutputError.
    """
    if session.still:
        raise UsageError(
            f"{session.folder} is of pictures, which have no time",
            cause="a rule tells of what lasts",
            hint=f"fer-edge report {shlex.quote(str(session.folder))} --only csv,pictures",
        )
    config = rules_from(path)
    least = config.privacy.least_group
    rules = CameraRules([replace(r, log=False, page=False) for r in config.rule], session.labels)
    aggregate, fired = Aggregate(least), list[Fired]()
    told_s, before = 0.0, None
    for time_s, seen in moments(session):
        if before is not None and time_s < before:
            raise InputError(
                f"times run backwards in the session {session.folder}: {before:.3f} s, then {time_s:.3f} s",
                cause="the film's time stamps are damaged, or the clock was put back",
            )
        told_s += min(time_s - before, 1.0) if before is not None and aggregate.readable() else 0.0
        before = time_s
        aggregate.update(time_s, seen)
        fired += rules.see(time_s, aggregate)
    times = {r.name: [(f.time_s, f.value) for f in fired if f.rule.name == r.name] for r in config.rule}
    table = session.folder / "rules.csv"
    _write(table, fired)
    return DryRun(times, told_s, before or 0.0, least, table)


def moments(session: Session) -> Iterator[tuple[float, Sequence[Observation]]]:
    """Every frame's time with what was seen in it; the faces of a subject are one person, whose own mean stays."""
    subjects = [str(code) for code in session.facts.get("subjects", [])]
    seen = {frame: list(group) for frame, group in groupby(session.observations(), lambda o: o.frame)}
    for frame, time_s, _ in session.frames():
        yield time_s, [_of(o, subjects) for o in seen.get(frame, ())]


def _of(o: Observation, subjects: Sequence[str]) -> Observation:
    return replace(o, track=-1 - subjects.index(o.subject)) if o.subject in subjects else o


def _write(path: Path, fired: Sequence[Fired]) -> None:
    with writing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        table.writerows([f.rule.name, f"{f.time_s:.3f}", f"{f.value:.4f}"] for f in fired)
