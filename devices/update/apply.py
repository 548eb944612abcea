"""Applies an update: made beside the old release, tried, and taken back by itself when it does not become healthy."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ...errors import GateFailed, UsageError
from .new_release import check_payload, install_bundle, install_payload, kind_of, payload_name, require_room_for
from .pack import unpacked
from .releases import Releases, put_back
from .service import CommandService, Service, SystemdService, wait_until_healthy
from .trial import Trial, begin, end, settle

LIMIT_S, HOLD_S = 180.0, 20.0
"""For the new release to become healthy, and to stay so."""

OnMessage = Callable[[str], None]


@dataclass(frozen=True)
class UpdateOptions:
    """How an update is tried.

    Attributes:
        root: of the system.
        restart, healthy: commands that start the kiosk anew and that exit with 0 when it is well; empty: systemd.
        limit_s, hold_s: see `wait_until_healthy`.
    """

    root: Path = Path("/")
    restart: str = ""
    healthy: str = ""
    limit_s: float = LIMIT_S
    hold_s: float = HOLD_S

    def service(self) -> Service:
        """The kiosk's service; raises UsageError when it cannot be started there, or one command alone is given."""
        if bool(self.restart) != bool(self.healthy):
            raise UsageError("--restart and --healthy go together")
        if self.root != Path("/") and not self.restart:
            raise UsageError(
                f"in {self.root} systemd starts nothing",
                hint="fer-edge update apply FOLDER --root DIR --restart CMD --healthy CMD",
            )
        return CommandService(self.restart, self.healthy) if self.restart else SystemdService()

    def words(self) -> list[str]:
        """As `fer-edge update apply` takes them."""
        words = ["--limit", f"{self.limit_s:g}", "--hold", f"{self.hold_s:g}"]
        for name, value in (("--restart", self.restart), ("--healthy", self.healthy)):
            words += [name, value] if value else []
        return [*words, "--root", str(self.root)] if self.root != Path("/") else words


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
    on_message: OnMessage = lambda words: None,
) -> Outcome:
    """Put a payload or a bundle in the place of what runs.

    Args:
        brought: a folder, or what `pack` made of one.
        limit_s, hold_s: see `wait_until_healthy`.
        on_message: hears what is done, in sentences; when nobody listens any more, the update goes on.

    Raises:
        InputError, BundleError kinds: refused, nothing was changed; OutputError: no room, nothing was changed;
        GateFailed: the new release did not become healthy and the old one runs again; UsageError: another update runs.
    """
    say = _whoever_listens(on_message)
    with releases.alone():
        if (broken := settle(releases)) is not None:
            say(f"an update from {broken.old} to {broken.new} had been interrupted; went back to {broken.old}")
            service.restart()  # it may be the new one that still runs
        with unpacked(brought, releases.home / "incoming", releases.require_room) as folder:
            return _put(releases, folder, service, (limit_s, hold_s), say)


def _put(releases: Releases, folder: Path, service: Service, waits: tuple[float, float], say: OnMessage) -> Outcome:
    old, payload = releases.current(), folder if kind_of(folder) == "payload" else None
    if payload is not None:
        check_payload(payload)
        require_room_for(releases, payload)
        new = payload_name(payload)
    else:
        new = install_bundle(releases, folder)
    if new == old:
        say(f"{new} runs already")
        return Outcome(old, new, False)
    say(f"trying {new} in the place of {old}")
    _try(releases, Trial(old, new), payload, service, waits, say)
    removed = releases.remove_old()
    say(f"{new} is healthy" + (f"; removed {', '.join(removed)}" if removed else ""))
    return Outcome(old, new, True)


def _try(
    releases: Releases, trial: Trial, payload: Path | None, service: Service, waits: tuple[float, float], say: OnMessage
) -> None:
    begin(releases, trial)
    try:
        if payload is not None:
            install_payload(releases, payload)
        else:
            releases.switch(trial.new)
        service.restart()
        if why := wait_until_healthy(service, *waits):
            say(f"{trial.new} did not become healthy ({why}); going back to {trial.old}")
            raise GateFailed(
                f"the update did not become healthy and was taken back: {why}", hint="journalctl -u fer-edge -n 50"
            )
        end(releases)
    except BaseException as error:  # Ctrl-C too: nobody is there to see whether the new one is well
        go_back(releases, trial, service)
        if isinstance(error, GateFailed):
            after = wait_until_healthy(service, waits[0], 0.0)
            error.cause = (
                f"{trial.old} was put back, and is not healthy either: {after}" if after else f"{trial.old} runs again"
            )
        raise


def settle_kiosk(options: UpdateOptions) -> Trial | None:
    """Go back from an update that was interrupted, and start the old release; which one it was, None without."""
    releases = Releases(options.root)
    with releases.alone():
        trial = settle(releases)
        if trial is not None and (options.restart or options.root == Path("/")):
            options.service().restart()  # it may be the release on trial that still runs
    return trial


def go_back(releases: Releases, trial: Trial, service: Service) -> None:
    """Make the old release the current one again, with its unit and rules; start it if another was."""
    switched = releases.points_at() != trial.old
    releases.switch(trial.old)
    put_back(releases.folder / trial.old, releases.root)
    end(releases)
    if switched:
        service.restart()


def _whoever_listens(on_message: OnMessage) -> OnMessage:
    """The way to a person may break, as SSH does; that decides nothing about the update."""

    def say(words: str) -> None:
        with suppress(OSError):
            on_message(words)

    return say
