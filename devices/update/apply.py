"""Applies an update: made beside the old release, tried, and taken back by itself when it does not become healthy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...errors import GateFailed
from .new_release import check_payload, install_bundle, install_payload, kind_of, payload_name
from .releases import Releases
from .service import Service, wait_until_healthy
from .system_files import put_back
from .trial import Trial, begin, end, settle

LIMIT_S, HOLD_S = 180.0, 20.0
"""For the new release to become healthy, and to stay so."""


@dataclass(frozen=True)
class Outcome:
    """What an update did.

    Attributes:
        old, new: names of the releases; the same when it was installed already.
        changed: whether another release runs now.
    """

    old: str
    new: str
    changed: bool


def apply_update(
    releases: Releases,
    brought: Path,
    service: Service,
    *,
    limit_s: float = LIMIT_S,
    hold_s: float = HOLD_S,
    told: Callable[[str], None] = lambda words: None,
) -> Outcome:
    """Put a payload or a bundle in the place of what runs.

    Args:
        limit_s, hold_s: see `wait_until_healthy`.
        told: hears what is done, in sentences.

    Raises:
        InputError, BundleError kinds: refused, nothing was changed; OutputError: no room, nothing was changed;
        GateFailed: the new release did not become healthy and the old one runs again; UsageError: another update runs.
    """
    with releases.alone():
        if (broken := settle(releases)) is not None:
            told(f"an update from {broken.old} to {broken.new} had been interrupted; went back to {broken.old}")
        old, kind = releases.current(), kind_of(brought)
        if kind == "payload":
            check_payload(brought)
            new = payload_name(brought)
        else:
            new = install_bundle(releases, brought)
        if new == old:
            told(f"{new} runs already")
            return Outcome(old, new, False)
        told(f"trying {new} in the place of {old}")
        _try(releases, Trial(old, new), brought if kind == "payload" else None, service, limit_s, hold_s, told)
        removed = releases.remove_old()
        told(f"{new} is healthy" + (f"; removed {', '.join(removed)}" if removed else ""))
        return Outcome(old, new, True)


def _try(
    releases: Releases,
    trial: Trial,
    payload: Path | None,
    service: Service,
    limit_s: float,
    hold_s: float,
    told: Callable[[str], None],
) -> None:
    begin(releases, trial)
    try:
        if payload is not None:
            install_payload(releases, payload)
        else:
            releases.switch(trial.new)
        service.restart()
        why = wait_until_healthy(service, limit_s, hold_s)
    except BaseException:  # Ctrl-C too: nobody is there to see whether the new one is well
        go_back(releases, trial, service)
        raise
    if why:
        told(f"{trial.new} did not become healthy ({why}); going back to {trial.old}")
        go_back(releases, trial, service)
        after = wait_until_healthy(service, limit_s, 0.0)
        raise GateFailed(
            f"the update did not become healthy and was taken back: {why}",
            cause=f"{trial.old} runs again"
            if not after
            else f"{trial.old} was put back, and is not healthy either: {after}",
            hint="journalctl -u fer-edge -n 50",
        )
    end(releases)


def go_back(releases: Releases, trial: Trial, service: Service) -> None:
    """Make the old release the current one again, with its unit and rules, and start it."""
    releases.switch(trial.old)
    put_back(releases.folder / trial.old, releases.root)
    end(releases)
    service.restart()
