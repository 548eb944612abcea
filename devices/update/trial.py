"""An update is on trial until it is healthy: a mark says from where to where, and a boot in between goes back.

The mark is on the disk before the switch and goes when the new release has proven itself, or the old one was started
again. `packaging/settle.sh` looks at it before the kiosk starts: a shell script, because the new release's own code may
be what is broken. The script of the proven release stays in force until the trial is over.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ...bundle import write_text
from ...errors import GateFailed, OutputError
from ...files import fsync
from .releases import Releases, put_in_place
from .signature import KEY
from .store import copy_of, put_store_back


@dataclass(frozen=True)
class Trial:
    """Names of two releases, and where the store lies that was copied before (`keep_store`); empty: no copy."""

    old: str
    new: str
    store: str = ""


def mark_path(releases: Releases) -> Path:
    """Where the mark lies: the old release, the new one, the store, a line each."""
    return releases.home / "trial"


def begin(releases: Releases, trial: Trial) -> None:
    """Set the mark; raises OutputError."""
    write_text(mark_path(releases), f"{trial.old}\n{trial.new}\n" + (f"{trial.store}\n" if trial.store else ""))


def running(releases: Releases) -> Trial | None:
    """The trial that was begun and not ended; None without one."""
    try:
        lines = mark_path(releases).read_text(errors="replace").splitlines()
    except OSError:
        return None
    return Trial(*(*lines[:3], "", "", "")[:3])


def end(releases: Releases) -> None:
    """Remove the copy of the store, and the mark."""
    if (trial := running(releases)) is not None and trial.store:
        copy_of(Path(trial.store)).unlink(missing_ok=True)
    with suppress(FileNotFoundError):
        os.unlink(mark_path(releases))
    fsync(releases.home)


@dataclass(frozen=True)
class Status:
    """What is installed: the release that runs, the others, a trial that has not ended; whose updates it takes."""

    current: str
    others: tuple[str, ...]
    trial: Trial | None
    key: str


def status(releases: Releases) -> Status:
    """Which release runs; raises InputError when none is installed."""
    current = releases.current()
    others = sorted(path.name for path in releases.folder.iterdir() if path.name != current)
    key = releases.root / KEY
    words = key.read_text(errors="replace").split() if key.is_file() else []
    return Status(current, tuple(others), running(releases), words[-1] if words else "")


def settle(releases: Releases, restart: Callable[[], None] = lambda: None) -> Trial | None:
    """Go back from a trial that nobody ended: the power failed, or the update was killed. Says which it was.

    Args:
        restart: starts the kiosk again, for what runs may still be the release on trial.

    Raises:
        GateFailed: the release to go back to is gone, or the mark is unreadable; the mark stays. OutputError: as
        `go_back`.
    """
    trial = running(releases)
    if trial is None:
        return None
    if not releases.is_whole(trial.old):
        raise GateFailed(
            f"an update was interrupted, and the release {trial.old or 'that was there before'} is gone",
            cause=f"{trial.new or 'what runs'} was never seen healthy, and stays",
            hint="fer-edge update apply FOLDER  # another one takes its place",
        )
    go_back(releases, trial, restart)
    return trial


def go_back(releases: Releases, trial: Trial, restart: Callable[[], None]) -> None:
    """Make the old release the current one again, with its unit, rules and store, and start it; last, the mark goes.

    Every step is tried whatever became of the one before. None needs room on the disk. A store that only the old
    release has written stays; so the store comes first, as long as the link says which one was current.

    Raises OutputError: a step failed; the mark stays.
    """
    written = trial.store and releases.points_at() != trial.old
    steps: tuple[Callable[[], None], ...] = (
        lambda: put_store_back(Path(trial.store)) if written else None,
        lambda: releases.switch(trial.old),
        lambda: put_in_place(releases.folder / trial.old, releases.root),
        restart,
    )
    faults: list[Exception] = []
    for step in steps:
        try:
            step()
        except Exception as error:
            faults.append(error)
    if faults:
        raise OutputError(
            f"going back to {trial.old} did not work: {'; '.join(map(str, faults))}",
            cause="the card is read-only or fails",
            hint="sudo fer-edge update settle",
        ) from faults[0]
    end(releases)
