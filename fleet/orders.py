"""Orders to all kiosks or some: pause, by the broker, and wipe, over SSH. Each is held against what the kiosk says."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from ..devices.ssh import SUDO, over_ssh
from ..errors import FerEdgeError
from ..words import printable
from .broker import HEAR_S, Watch, broker_of
from .inventory import FleetKiosk, Inventory

CONFIRM_S = 20.0
"""A kiosk says at once that it paused; so long is waited for one behind a slow link."""
WIPE_S = 900.0
"""A year of rows on a slow card is gone in less."""
NO_SSH = "its inventory has no ssh"
SAID = 1000
"""Characters of what a kiosk says, all in its own line of the table."""
_WIPE = """\
stop() { command -v systemctl > /dev/null && systemctl stop fer-edge; true; }
start() { command -v systemctl > /dev/null && systemctl start fer-edge; true; }
stop
if id fer-edge > /dev/null 2>&1; then as="runuser -u fer-edge --"; else as=; fi
$as fer-edge data wipe "$1" --yes 2>&1
code=$?
start
exit $code
"""
"""As root there: a store is wiped while no kiosk writes it, and by the user whose files they are."""


@dataclass(frozen=True)
class Answer:
    """What became of an order at one kiosk; `trouble` is empty when it was carried out."""

    name: str
    said: str = ""
    trouble: str = ""


def pause(inventory: Inventory, kiosks: Sequence[FleetKiosk], on: bool, limit_s: float | None = None) -> list[Answer]:
    """Pause kiosks, or have them go on, and wait until each says so.

    Raises InputError: the inventory has no broker; DeviceNotFound, DeviceFailed: it does not answer; MissingExtra.
    """
    with Watch(broker_of(inventory), kiosks) as watch:
        watch.wait(lambda: all(watch.heard_of(kiosk) for kiosk in kiosks), HEAR_S)
        before = {kiosk.name: watch.row(kiosk) for kiosk in kiosks}
        asked = [k for k in kiosks if before[k.name].health != "offline" and watch.command(k, "pause", on)]
        watch.wait(
            lambda: all(watch.row(kiosk).paused is on for kiosk in asked), CONFIRM_S if limit_s is None else limit_s
        )
        return [_paused(watch, kiosk, on, kiosk in asked) for kiosk in kiosks]


def _paused(watch: Watch, kiosk: FleetKiosk, on: bool, asked: bool) -> Answer:
    row = watch.row(kiosk)
    word = "paused" if on else "watches"
    if not asked:
        return Answer(kiosk.name, trouble=f"{row.health}: nobody there would take it")
    if row.paused is not on:
        return Answer(kiosk.name, trouble=f"it does not say that it {'is paused' if on else 'watches'}")
    return Answer(kiosk.name, word)


def wipe(inventory: Inventory, kiosks: Sequence[FleetKiosk]) -> list[Answer]:
    """Remove everything that kiosks have kept: each is stopped, wiped, and started again. One after the other."""
    return [_wiped(inventory, kiosk) for kiosk in kiosks]


def _wiped(inventory: Inventory, kiosk: FleetKiosk) -> Answer:
    if not kiosk.ssh:
        return Answer(kiosk.name, trouble=NO_SSH)
    command = f"{SUDO}sh -c {shlex.quote(_WIPE)} wipe {shlex.quote(kiosk.store)}"
    try:
        said = over_ssh(kiosk.ssh, command, inventory.ssh.command, limit_s=WIPE_S)
    except FerEdgeError as error:
        return Answer(kiosk.name, trouble=printable(error.message, SAID))
    return Answer(kiosk.name, printable(said.strip(), SAID))
