"""A kiosk without a camera and a model: snapshots of a test's own through the real publisher, which takes commands."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from fer_edge.runtime.mqtt.publisher import MqttPublisher
from fer_edge.runtime.mqtt.settings import MqttSettings
from fer_edge.runtime.status.health import Condition, Health
from support.snapshots import SEEN

MACHINE = {
    "version": "0.1.0",
    "model": "default 2",
    "model_made": "2026-11-29",
    "temperature_c": 55.0,
    "disk_used": 0.4,
}


class StandIn:
    """One; `tell` publishes what is so now."""

    def __init__(self, folder: Path, settings: MqttSettings, **machine: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.snapshot = replace(SEEN, wall_s=time.time(), machine={**MACHINE, **machine})
        self.publisher = MqttPublisher(settings, folder / "queue.db", self._obey, waits_s=(0.05, 0.2))
        self.publisher.start()
        self.obeys = True
        self.tell()

    def tell(self, condition: Condition = Condition.OK, reason: str = "", **more: Any) -> None:
        """Publish."""
        more = {"wall_s": time.time(), "health": Health(condition, reason), **more}
        self.snapshot = replace(self.snapshot, **more)
        self.publisher.publish(self.snapshot)

    def _obey(self, name: str, on: bool) -> None:
        if self.obeys and name == "pause":
            self.tell(paused=on)

    def stop(self) -> None:
        self.publisher.stop()
