"""Bad updates of a town: `fer-edge fleet update` over a stand-in for ssh, with each kiosk's own trial."""

from __future__ import annotations

import shutil
from pathlib import Path

from fer_edge.devices.update.releases import Releases
from fer_edge.devices.update.signature import KEY, make_keys
from support.brokers import Listener
from support.payloads import install
from support.updates import brought

from .place import Kiosk
from .rounds import Outcome, all_well, until
from .stand_in import BAD, LATE_BAD
from .town import Town

UPDATED, SOAK_S = 4, 15


def bad_updates(town: Town, listener: Listener) -> Outcome:
    """One that its canary takes back, one that falls ill after its trial, and one that is good."""
    prepare(town)
    all_well(town)
    canary, wrong = town.kiosks[0].name, list[str]()
    for release, said in ((BAD, "the update did not become healthy"), (LATE_BAD, "")):
        code, told = update(town, release)
        stopped = f"stopped after wave 1: {canary}: "
        if code != 1 or stopped not in told or said not in told or "wave 2" in told.replace("after wave", ""):
            wrong.append(f"{release}: exit code {code}: {told}")
        wrong += untouched(town, release, canary if release == LATE_BAD else "")
    code, told = update(town, "good", *(kiosk.name for kiosk in town.kiosks[:UPDATED]))
    if code or f"{UPDATED} kiosks updated, all healthy" not in told:
        wrong.append(f"good: exit code {code}: {told}")
    until(lambda: len([r for r in town.status().values() if r["version"] == "good"]) == UPDATED)
    all_well(town)
    return Outcome("bad updates", f"2 stopped at {canary}, {len(town.kiosks) - 1} not touched; {UPDATED} good", wrong)


def prepare(town: Town) -> None:
    """A release and the fleet's key on those that will be asked."""
    public = make_keys(town.folder / "ours")[1]
    first = brought(town.folder / "first", "first")
    for kiosk in town.kiosks[:UPDATED]:
        root = kiosk.folder / "root"
        done = install(first, root)
        assert done.returncode == 0, done.stderr
        (root / KEY).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(public, root / KEY)


def update(town: Town, release: str, *names: str) -> tuple[int, str]:
    """The command; of no names, all kiosks."""
    folder: Path = brought(town.folder / release, release)
    common = ("--inventory", town.inventory, "--key", town.folder / "ours.key", "--wave", 3, "--soak", SOAK_S)
    return town.fer_edge("fleet", "update", folder, *names, *common)


def untouched(town: Town, release: str, but: str) -> list[str]:
    """Who has that release and should not, by its disk and by its own word."""
    rows = town.status()
    on_disk = {k.name for k in town.kiosks[:UPDATED] if _site(k) == release}
    told = {name for name, row in rows.items() if row["version"] == release}
    return [f"{name} has the {release} release" for name in (on_disk | told) - {but}]


def _site(kiosk: Kiosk) -> str:
    home = Releases(kiosk.folder / "root").home
    return (home / "current" / "site" / "fer_edge" / "__init__.py").read_text()
