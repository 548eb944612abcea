"""A process with many stand-ins: `python -m campaigns.town.process FILE`, which lists them; it ends with its input.

A kiosk's `restart` file in its folder starts it anew with the release that its root has, as systemd would after an
update, and disappears when that is done. So does giving up.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from fer_edge.devices.update.releases import Releases
from fer_edge.runtime.kiosk import camera
from fer_edge.runtime.kiosk import kiosk as real

from .stand_in import StandIn, open_nothing

LOOK_S = 0.2
TAKE_S = 2.5
"""In place of a camera's: what is late by less than two of these is the fault of a machine that runs hundreds."""


@dataclass
class Hosted:
    """A stand-in and what it was started with."""

    folder: Path
    number: int
    kiosk: StandIn | None = None

    def release(self) -> str:
        """What its root has, once it was updated."""
        home = Releases(self.folder / "root").home
        place = home / "current" / "site" / "fer_edge" / "__init__.py"
        return place.read_text() if place.exists() else "first"

    def start(self) -> None:
        """Start it, again."""
        if self.kiosk is not None:
            self.kiosk.end()
        self.kiosk = StandIn(self.folder / "config.toml", self.number, self.release())

    def look(self) -> None:
        """Start it again if that is asked for, or it has ended."""
        asked = self.folder / "restart"
        if asked.exists() or self.kiosk is None or self.kiosk.ended():
            self.start()
            asked.unlink(missing_ok=True)


def main() -> None:
    """Run them until the standard input ends."""
    logging.basicConfig(level=logging.ERROR)
    real.open_pipelines, camera.TAKE_S = open_nothing, TAKE_S
    hosted = [Hosted(Path(folder), number) for folder, number in json.loads(Path(sys.argv[1]).read_text())]
    for one in hosted:
        one.look()
    print("ready", flush=True)
    end = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), end.set()), daemon=True).start()
    while not end.wait(LOOK_S):
        for one in hosted:
            one.look()
    for one in hosted:
        if one.kiosk is not None:
            one.kiosk.end()


if __name__ == "__main__":
    main()
