"""Which kiosks are updated together: a canary first, then waves. Pure, but for the record on the disk."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ..errors import InputError, UsageError
from ..files import cannot_write, write_text
from .inventory import FleetKiosk


def waves_of(kiosks: Sequence[FleetKiosk], canary: int, size: int) -> list[tuple[FleetKiosk, ...]]:
    """The canary's kiosks, then waves of at most `size`, in the inventory's order; raises UsageError below 1."""
    if canary < 1 or size < 1:
        raise UsageError("a canary and a wave have at least one kiosk", hint="fer-edge fleet update --help")
    rest = kiosks[canary:]
    return [tuple(kiosks[:canary]), *(tuple(rest[i : i + size]) for i in range(0, len(rest), size))]


@dataclass(frozen=True)
class Progress:
    """How far an update came, on the disk beside the inventory, so that the next call goes on from there.

    Attributes:
        update: SHA-256 of the packed update.
        done: kiosks that run it and were well afterwards.
        stopped: why it stopped, in a sentence; empty while it goes on and at its end.
    """

    update: str
    done: tuple[str, ...] = ()
    stopped: str = ""

    def with_done(self, names: Sequence[str]) -> Progress:
        """The same after these, too."""
        return replace(self, done=(*self.done, *(n for n in names if n not in self.done)), stopped="")


def progress_path(inventory: Path) -> Path:
    """Where it lies: `fleet.toml` has `fleet.update.json`."""
    return inventory.with_suffix(".update.json")


def read_progress(inventory: Path, update: str) -> Progress:
    """That of this update; a new one where there is none, or it is of another update. Raises InputError."""
    place = progress_path(inventory)
    try:
        told = json.loads(place.read_text(encoding="utf-8"))
        found = Progress(str(told["update"]), tuple(map(str, told["done"])), str(told["stopped"]))
    except FileNotFoundError:
        return Progress(update)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{place} is no record of an update: {error}", cause="it was changed by hand", hint=f"rm {place}"
        ) from None
    return found if found.update == update else Progress(update)


def write_progress(inventory: Path, progress: Progress) -> None:
    """Keep it; raises OutputError."""
    write_text(progress_path(inventory), json.dumps(asdict(progress), indent=1) + "\n")


@contextmanager
def alone(inventory: Path) -> Iterator[None]:
    """Hold an inventory for one update; raises UsageError while another holds it, OutputError."""
    import fcntl

    place = inventory.with_suffix(".lock")
    try:
        lock = os.open(place, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise cannot_write(place, error) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"another update of {inventory} is running",
                cause="two at once would not know what the other did",
                hint=f"fer-edge fleet status --inventory {inventory}",
            ) from None
        yield
    finally:
        os.close(lock)
