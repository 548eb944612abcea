"""An update is on trial until it is healthy: a mark says from where to where, and a boot in between goes back.

The mark is on the disk before the switch and goes when the new release has proven itself. `packaging/settle.sh` looks
at it before the kiosk starts: a shell script, because the new release's own code may be what is broken.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ...bundle import write_text
from ...files import fsync
from .releases import Releases, put_back


@dataclass(frozen=True)
class Trial:
    """Names of two releases."""

    old: str
    new: str


def mark_path(releases: Releases) -> Path:
    """Where the mark lies; its first line is the old release, its second the new one."""
    return releases.home / "trial"


def begin(releases: Releases, trial: Trial) -> None:
    """Set the mark; raises OutputError."""
    write_text(mark_path(releases), f"{trial.old}\n{trial.new}\n")


def running(releases: Releases) -> Trial | None:
    """The trial that was begun and not ended; None without one."""
    try:
        lines = mark_path(releases).read_text().split()
    except OSError:
        return None
    return Trial(lines[0], lines[1]) if len(lines) == 2 else None


def end(releases: Releases) -> None:
    """Remove the mark."""
    with suppress(FileNotFoundError):
        os.unlink(mark_path(releases))
    fsync(releases.home)


@dataclass(frozen=True)
class Status:
    """What is installed: the release that runs, the others, and a trial that has not ended."""

    current: str
    others: tuple[str, ...]
    trial: Trial | None


def status(releases: Releases) -> Status:
    """Which release runs; raises InputError when none is installed."""
    current = releases.current()
    others = sorted(path.name for path in releases.folder.iterdir() if path.name != current)
    return Status(current, tuple(others), running(releases))


def settle(releases: Releases) -> Trial | None:
    """Go back from a trial that nobody ended: the power failed, or the update was killed. Says which it was.

    Nothing is started: what runs may still be the release on trial, and who calls this has to start it anew.
    """
    trial = running(releases)
    if trial is not None and releases.is_whole(trial.old):
        releases.switch(trial.old)
        put_back(releases.folder / trial.old, releases.root)
    if mark_path(releases).exists():
        end(releases)
    return trial
