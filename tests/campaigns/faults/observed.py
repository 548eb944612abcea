"""The kiosk of the latency measurement: `python -m campaigns.faults.observed CONFIG OUT SECONDS`.

The daemon's own class; around it is noted which frame a snapshot tells of, when that frame was captured, and what its
stages took. OUT gets one JSON line a snapshot that was sent because what is told of the faces had changed.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from time import monotonic
from typing import Any

from fer_edge.runtime.config import KioskConfig, load_config
from fer_edge.runtime.kiosk.camera import Frames
from fer_edge.runtime.kiosk.kiosk import Kiosk
from fer_edge.runtime.kiosk.systemd import Notifier
from fer_edge.runtime.status.snapshot import Snapshot
from fer_edge.runtime.types import Stamped


class Noting:
    """Frames on their way to the daemon, and snapshots on their way out of it."""

    def __init__(self, kiosk: Kiosk) -> None:
        (camera,) = kiosk.daemon.cameras
        self._frames: Frames = camera.frames
        self.dropped = 0
        self._tally = camera.pipeline.tally
        self._limits = kiosk.daemon.limits
        self._at_s = self._taken_s = self._told_s = 0.0
        self._before = dict[str, float]()
        self._told: object = None
        self.lines: list[dict[str, Any]] = []

    def ended(self) -> bool:
        """See daemon.Frames."""
        return self._frames.ended()

    def take(self, timeout_s: float) -> Stamped | None:
        """The frame, its stamp and the stages' times noted."""
        stamped = self._frames.take(timeout_s)
        self.dropped = self._frames.dropped
        if stamped is not None:
            self._at_s, self._taken_s = stamped.at_s, monotonic()
            self._before = dict(self._tally.seconds)
        return stamped

    def publish(self, snapshot: Snapshot) -> None:
        """Note it when it was sent for a change: sooner than one is due anyway."""
        now, told = monotonic(), (snapshot.faces, dict(snapshot.shares))
        if told != self._told and now - self._told_s < self._limits.publish_every_s:
            spent = {stage: v - self._before.get(stage, 0.0) for stage, v in self._tally.seconds.items()}
            stages = {"capture": self._taken_s - self._at_s, **spent}
            self.lines.append({"frames": snapshot.frames, "at_s": self._at_s, "stages": stages, "told_s": now})
        self._told, self._told_s = told, now

    def stand_between(self, kiosk: Kiosk) -> None:
        """Take the frames' and the publishers' places in its camera."""
        (camera,) = kiosk.daemon.cameras
        camera.frames, camera.publish = self, [self.publish, *camera.publish]


def main(config_path: Path, out: Path, seconds: float) -> int:
    """Run it so long."""

    def read() -> KioskConfig:
        return load_config(config_path, os.environ, [])

    kiosk = Kiosk(read(), read, Notifier())
    try:
        noting = Noting(kiosk)
        noting.stand_between(kiosk)
        threading.Timer(seconds, kiosk.daemon.stop).start()
        code = kiosk.daemon.run()
    finally:
        kiosk.close()
    out.write_text("".join(json.dumps(line) + "\n" for line in noting.lines), encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])))
