"""What a real Home Assistant makes of a kiosk, also after an outage; installed into an environment of its own."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fer_edge.runtime.mqtt.publisher import MqttPublisher
from fer_edge.runtime.mqtt.settings import MqttSettings
from fer_edge.runtime.status.health import Condition, Health
from support.brokers import Broker, Hole
from support.kiosks import free_port
from support.old_pythons import old_python
from support.snapshots import SEEN
from support.waiting import until

pytest.importorskip("paho.mqtt.client", reason="needs the kiosk extra")
pytestmark = [pytest.mark.peers, pytest.mark.slow]
CHILD = Path(__file__).parents[1] / "support" / "home_assistant_child.py"
OURS = tuple(f"homeassistant.{name}" for name in ("components.mqtt", "components.s", "helpers", "util", "core"))
"""Loggers that speak of entities, templates and states; `s` for sensor and switch."""


class Home:
    """A Home Assistant that runs: what its entities showed, one after the other, and what it found wrong."""

    def __init__(self, python: str, folder: Path, broker: Broker) -> None:
        folder.mkdir()
        http = f"http:\n  server_host: 127.0.0.1\n  server_port: {free_port()}\n"
        (folder / "configuration.yaml").write_text(f"homeassistant:\n  name: Hall\n{http}")
        words = [python, CHILD, folder, str(broker.port)]
        self.shown: dict[str, list[str]] = {}
        self.warnings: list[str] = []
        self.begun = False
        with (folder / "log").open("w") as log:
            self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, text=True)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._hear(json.loads(line))

    def _hear(self, told: dict[str, Any]) -> None:
        if "entity" in told:
            self.shown.setdefault(told["entity"].partition("_")[2], []).append(told["state"])
        elif "warning" in told and told["logger"].startswith(OURS):
            self.warnings.append(told["warning"])
        self.begun = self.begun or told.get("flow") == "create_entry"

    def newest(self) -> dict[str, str]:
        return {name: states[-1] for name, states in self.shown.items()}

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        self._thread.join()


@pytest.fixture
def home(tmp_path: Path, kept: Path, broker: Broker) -> Iterator[Home]:
    python = old_python("3.13", kept, "homeassistant==2025.4.4", "paho-mqtt==2.1.0")
    made = Home(python, tmp_path / "home", broker)
    yield made
    made.close()


def test_fourteen_entities_without_a_warning_and_only_what_is_so_now(
    home: Home, broker: Broker, tmp_path: Path
) -> None:
    """The link to the broker is cut while Home Assistant stays connected: what was meanwhile is never shown as now."""
    hole = Hole(broker)
    settings = MqttSettings("127.0.0.1", hole.port, topic="kiosk", interval_s=0)
    about = {"version": "1", "model": "CPU"}
    kiosk = MqttPublisher(settings, tmp_path / "queue.db", title="Hall", about=about, waits_s=(0.05, 0.2))
    kiosk.start()
    kiosk.publish(SEEN)
    try:
        until(lambda: home.begun and home.newest().get("faces") == "3")
        until(lambda: not {"unknown", "unavailable"} & set(home.newest().values()))
        assert len(home.shown) == 14
        seen = home.newest()
        assert [seen[name] for name in ("happy", "sad", "neutral")] == ["75.0", "25.0", "0.0"]
        assert [seen[name] for name in ("health", "device", "pause", "record")] == ["ok", "CPU", "off", "off"]
        hole.cut()
        until(lambda: home.newest()["faces"] == "unavailable" and not kiosk.state().connected)
        known = {name: len(states) for name, states in home.shown.items()}
        for faces in (8, 9):
            kiosk.publish(replace(SEEN, faces=faces, health=Health(Condition.DEGRADED, "dark"), window={"sad": 1.0}))
        kiosk.publish(replace(SEEN, faces=4))
        hole = Hole(broker, hole.port)
        until(lambda: home.newest()["faces"] == "4" and kiosk.state().queued == 0)
        kiosk.publish(replace(SEEN, paused=True, faces=None, shares={}, window={}))
        until(lambda: home.newest()["faces"] == "unknown" and home.newest()["pause"] == "on")
        since = {name: states[known[name] :] for name, states in home.shown.items()}
        assert since["faces"] == ["4", "unknown"]
        assert since["health"] == ["ok"]
        assert since["sad"] == ["25.0", "unknown"]
        assert home.warnings == []
    finally:
        kiosk.stop()
        hole.close()
