"""An update of many kiosks in waves, a canary first; it stops by itself when a wave is not well, and goes on later."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, sleep

from ..devices.update.push import packed, push
from ..errors import FerEdgeError, GateFailed, UsageError
from ..files import sha256_of
from .broker import statuses
from .inventory import FleetKiosk, Inventory
from .status import KioskStatus
from .waves import alone, progress_path, read_progress, waves_of, write_progress

POLL_S = 5.0


@dataclass(frozen=True)
class WaveOptions:
    """How an update goes out.

    Attributes:
        canary, size: kiosks of the first wave and of each later one.
        soak_s: how long a wave is watched before the next begins, beside each kiosk's own trial.
        words: for `fer-edge update apply` on each kiosk.
        key, password: as `sign` takes them; None: it is signed already, or `words` say --unsigned.
    """

    canary: int = 1
    size: int = 10
    soak_s: float = 300.0
    words: Sequence[str] = ()
    key: Path | None = None
    password: Callable[[], str] | None = None


@dataclass(frozen=True)
class Result:
    """What was done: kiosks updated now, and those that an earlier call had updated."""

    updated: tuple[str, ...]
    before: tuple[str, ...]


def update_fleet(
    inventory: Inventory,
    kiosks: Sequence[FleetKiosk],
    brought: Path,
    options: WaveOptions,
    on_message: Callable[[str], None] = lambda words: None,
) -> Result:
    """Put a payload or a bundle on kiosks, wave by wave.

    A kiosk that takes the update back, cannot be reached, or is less well afterwards than it was before, ends it after
    its wave. The same call goes on with those that are left.

    Raises:
        UsageError: another update of this inventory runs, or nothing is signed; InputError, BundleError kinds: refused
        before anything was sent; GateFailed: it stopped by itself; DeviceNotFound, DeviceFailed: nobody says how they
        are.
    """
    if lacking := [kiosk.name for kiosk in kiosks if not kiosk.ssh]:
        raise UsageError(
            f"{', '.join(lacking)} cannot be reached over SSH",
            cause="such kiosks ask for updates themselves (docs/fleet.md)",
            hint="fer-edge update publish --help",
        )
    with alone(inventory.path), tempfile.TemporaryDirectory(prefix="fer-edge-fleet-") as beside:
        file = packed(brought, Path(beside), options.key, options.password, "--unsigned" in options.words)
        progress = read_progress(inventory.path, sha256_of(file))
        before = progress.done
        left = [kiosk for kiosk in kiosks if kiosk.name not in progress.done]
        if progress.done:
            on_message(f"{len(before)} have it already; {len(left)} are left")
        canary = options.canary if len(left) == len(kiosks) else options.size  # it was seen well elsewhere
        for number, wave in enumerate(waves_of(left, canary, options.size) if left else []):
            on_message(f"wave {number + 1}: {', '.join(kiosk.name for kiosk in wave)}")
            ill = _wave(inventory, wave, file, options, on_message)
            progress = progress.with_done([kiosk.name for kiosk in wave if kiosk.name not in ill])
            why = "; ".join(f"{name}: {reason}" for name, reason in ill.items())
            write_progress(inventory.path, replace(progress, stopped=why))
            if ill:
                raise GateFailed(
                    f"stopped after wave {number + 1}: {why}",
                    cause=f"{len(progress.done)} of {len(kiosks)} have it",
                    hint=f"fer-edge fleet status --inventory {inventory.path}",
                )
        progress_path(inventory.path).unlink(missing_ok=True)
        return Result(tuple(k.name for k in left), before)


def _wave(
    inventory: Inventory,
    wave: Sequence[FleetKiosk],
    file: Path,
    options: WaveOptions,
    on_message: Callable[[str], None],
) -> dict[str, str]:
    """Update the kiosks of a wave one after the other, then watch them; name -> what is wrong."""
    watched = bool(inventory.broker.host or inventory.prometheus.url)
    before = {row.name: row for row in statuses(inventory, wave)} if watched else {}
    for number, kiosk in enumerate(wave):
        try:
            push(kiosk.ssh, file, [*options.words, *kiosk.apply], inventory.ssh.command)
            on_message(f"{kiosk.name}: healthy")
        except FerEdgeError as error:
            return {kiosk.name: error.message, **{k.name: "not touched" for k in wave[number + 1 :]}}
    return _soak(inventory, wave, before, options.soak_s) if watched else {}


def _soak(
    inventory: Inventory, wave: Sequence[FleetKiosk], before: dict[str, KioskStatus], soak_s: float
) -> dict[str, str]:
    """Watch a wave; name -> what is wrong with those that were well before and are not at the end."""
    end = monotonic() + soak_s
    while True:
        rows = statuses(inventory, wave)
        ill = {r.name: f"{r.health}: {r.reason}".rstrip(": ") for r in rows if not r.well and before[r.name].well}
        if monotonic() >= end:
            return ill
        sleep(min(POLL_S, max(0.0, end - monotonic())))
