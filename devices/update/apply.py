"""Applies an update: made beside the old release, tried, and taken back by itself when it does not become healthy."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ...errors import GateFailed, UsageError
from .brought import kind_of
from .new_release import check_payload, install_bundle, install_payload, payload_name, require_room_for
from .pack import unpacked
from .releases import Releases, put_in_place
from .service import CommandService, Service, SystemdService, wait_until_healthy
from .signature import signed
from .stops import Stops
from .store import keep_store
from .trial import Trial, begin, end, go_back, settle

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
        unsigned: nobody's signature is asked for.
    """

    root: Path = Path("/")
    restart: str = ""
    healthy: str = ""
    limit_s: float = LIMIT_S
    hold_s: float = HOLD_S
    unsigned: bool = False

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
        words += ["--unsigned"] if self.unsigned else []
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
    unsigned: bool = False,
    on_message: OnMessage = lambda words: None,
) -> Outcome:
    """Put a payload or a bundle in the place of what runs.

    Args:
        brought: a folder, or what `pack` made of one.
        limit_s, hold_s: see `wait_until_healthy`.
        unsigned: take it whoever made it; else it has to be a .tar with a signature of the card's own key beside it.
        on_message: hears what is done, in sentences; when nobody listens any more, the update goes on.

    Raises:
        InputError, BundleError kinds: refused, such as unsigned or damaged, nothing was changed; OutputError: no room,
        nothing was changed, or going back did not work, and the mark stays;
        GateFailed: the new release did not become healthy and the old one runs again; UsageError: another update runs.
    """
    say = _whoever_listens(on_message)
    with releases.alone():
        _settle_before(releases, service, say)
        seal = None if unsigned else signed(brought, releases.root)
        if seal is None:
            say("warning: --unsigned, so nobody knows who made this update")
        releases.remove_ruins()
        with unpacked(brought, releases.home / "incoming", releases.require_room, seal) as folder:
            return _put(releases, folder, service, (limit_s, hold_s), say)


def _settle_before(releases: Releases, service: Service, say: OnMessage) -> None:
    try:
        broken = settle(releases, service.restart)
    except GateFailed as error:  # nothing to go back to: what is there is what the next update starts from
        say(f"{error.message}; {error.cause}")
        end(releases)
        return
    if broken is not None:
        say(f"an update from {broken.old} to {broken.new} had been interrupted; went back to {broken.old}")


def _put(releases: Releases, folder: Path, service: Service, waits: tuple[float, float], say: OnMessage) -> Outcome:
    old, payload = releases.current(), folder if kind_of(folder) == "payload" else None
    if payload is not None:
        check_payload(payload)
        new = payload_name(payload)
        if file := releases.damaged(new):
            say(f"{file} of {new}, which is there already, is damaged; it is unpacked again")
            if new == old:
                return _repair(releases, payload, new, service, waits)
            releases.remove(new)
        require_room_for(releases, payload)
    else:
        new = install_bundle(releases, folder)
    if new == old:
        say(f"{new} runs already")
        return Outcome(old, new, False)
    say(f"trying {new} in the place of {old}")
    _try(releases, Trial(old, new, keep_store(releases, payload) if payload else ""), payload, service, waits, say)
    removed = releases.remove_old()
    say(f"{new} is healthy" + (f"; removed {', '.join(removed)}" if removed else ""))
    return Outcome(old, new, True)


def _repair(releases: Releases, payload: Path, name: str, service: Service, waits: tuple[float, float]) -> Outcome:
    """The release that runs, put into its own place; there is none to go back to."""
    install_payload(releases, payload)
    service.restart()
    if why := wait_until_healthy(service, *waits):
        raise GateFailed(f"{name} was repaired, and is not healthy: {why}", hint="journalctl -u fer-edge -n 50")
    return Outcome(name, name, True)


def _try(
    releases: Releases, trial: Trial, payload: Path | None, service: Service, waits: tuple[float, float], say: OnMessage
) -> None:
    with Stops() as stops:
        try:
            begin(releases, trial)
            if payload is not None:
                install_payload(releases, payload)
            else:
                releases.switch(trial.new)
            service.restart()
            why = wait_until_healthy(service, *waits)
            stops.none()
            if why:
                say(f"{trial.new} did not become healthy ({why}); going back to {trial.old}")
                raise GateFailed(
                    f"the update did not become healthy and was taken back: {why}", hint="journalctl -u fer-edge -n 50"
                )
            put_in_place(releases.folder / trial.new, releases.root)  # settle.sh above all: it is proven now
            end(releases)
        except BaseException as error:  # Ctrl-C too: nobody is there to see whether the new one is well
            stops.none()
            switched = releases.points_at() != trial.old
            go_back(releases, trial, service.restart if switched else lambda: None)
            if isinstance(error, GateFailed):
                after = wait_until_healthy(service, waits[0], 0.0)
                error.cause = (
                    f"{trial.old} was put back, and is not healthy either: {after}"
                    if after
                    else f"{trial.old} runs again"
                )
            raise


def settle_kiosk(options: UpdateOptions) -> Trial | None:
    """Go back from an update that was interrupted, and start the old release; which one it was, None without.

    Raises GateFailed: the old release is gone; OutputError: going back did not work. The mark stays in both cases.
    """
    releases = Releases(options.root)
    started = bool(options.restart) or options.root == Path("/")
    with releases.alone(), Stops() as stops:
        stops.none()
        return settle(releases, options.service().restart if started else lambda: None)


def _whoever_listens(on_message: OnMessage) -> OnMessage:
    """The way to a person may break, as SSH does; that decides nothing about the update."""

    def say(words: str) -> None:
        with suppress(OSError):
            on_message(words)

    return say
