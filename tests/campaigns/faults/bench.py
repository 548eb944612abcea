"""A kiosk with everything around it: camera, broker, subscriber, supervisor, a small disk of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from conftest import SHARED
from support.brokers import Broker, Listener
from support.kiosks import free_port

from . import ledger
from .camera import Camera
from .kit import FAKETIME, WATCHDOG_S, Kit, config_text, device_of
from .supervisor import Supervisor, read_rules

CLIP = SHARED / "clips" / "head-pose-face-detection-male.gif"
DISK = "size=16m"
LOOK_S = 0.05


class Bench:
    """Opened by its making, closed by `close`."""

    def __init__(self, folder: Path, kit: Kit) -> None:
        """Build everything and start the kiosk."""
        folder.mkdir()
        self.folder, self.kit, self.page = folder, kit, free_port()
        self.state, self.store = folder / "state", folder / "state" / "store"
        self.state.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", DISK, "tmpfs", str(self.state)]
        self.mounted = subprocess.run(words, capture_output=True).returncode == 0
        self.camera, self.broker = Camera(CLIP, free_port()), Broker(folder / "broker")
        self.cameras = [self.camera, Camera(CLIP, free_port())] if kit.two else [self.camera]
        self.broker.start()
        self.listener = Listener(self.broker)
        self.stick, self.clock = folder / "stick", folder / "clock"
        self.stick.write_text("here")
        self.set_clock(0)
        self._device = device_of(kit, folder)
        self.config = folder / "config.toml"
        self.config.write_text(self.text(), encoding="utf-8")
        self.camera_lost_s = float("-inf")
        self.supervisor = self._supervisor()
        self.supervisor.start()

    def text(self, **other: Any) -> str:
        """The configuration, with other values."""
        return config_text(
            self.folder, [c.url for c in self.cameras], self.broker.port, self.page, self._device, **other
        )

    def set_clock(self, seconds: int) -> None:
        """Set the daemon's wall clock so far from this machine's; it looks at each call."""
        beside = self.clock.with_suffix(".new")
        beside.write_text(f"{seconds:+d}\n")
        beside.replace(self.clock)

    def restart(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        """End the kiosk as a person would, do something, and start it again."""
        self.supervisor.stop()
        meanwhile()
        self.supervisor = self._supervisor()
        self.supervisor.start()

    def until(self, true: Callable[[], Any], what: str, limit_s: float = 60.0) -> Any:
        """Look until it is so; raises AssertionError with what did not happen."""
        end = monotonic() + limit_s
        while not (seen := true()):
            assert monotonic() < end, f"{what}, in {limit_s:.0f} s; the kiosk is {self.supervisor.condition}"
            sleep(LOOK_S)
        return seen

    def metrics(self) -> dict[str, float]:
        """Figures without labels; empty when nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.page}/metrics", timeout=5) as answer:
                lines = [line.split() for line in answer.read().decode().splitlines()]
        except OSError:
            return {}
        return {line[0].removeprefix("fer_edge_"): float(line[1]) for line in lines if len(line) == 2}

    def acknowledged(self) -> int:
        """Observations of this run that the kiosk says are on disk; 0 when nobody answers."""
        return int(self.metrics().get("store_observations_total", 0))

    def flows(self, rows: int = 5, limit_s: float = 60.0) -> None:
        """Wait until the kiosk is ok and so many more observations are on disk."""
        self.until(lambda: self.supervisor.condition == "ok", "it did not come back to ok", limit_s)
        self.until(self.acknowledged, "nothing was observed", limit_s)
        begun = self.acknowledged()
        self.until(lambda: self.acknowledged() >= begun + rows, "nothing more was observed", limit_s)

    def missing(self) -> list[int]:
        """Snapshots that were queued and never came to the subscriber, now that the queue is empty."""
        self.until(lambda: self._queued() <= 1.0, "the broker's queue is not emptied")
        told = defaultdict[str, list[str]](list)
        for topic, text, kept in self.listener.heard:
            whose, _, what = topic.rpartition("/")
            if what in ("state", "history") and not kept:
                told[whose].append(text)
        return [number for texts in told.values() for number in ledger.missing_numbers(texts)]

    def _queued(self) -> float:
        """The most that waits for the broker, of any camera; 1 when nobody answers."""
        return max((v for name, v in self.metrics().items() if name.startswith("broker_queued")), default=1.0)

    def said(self) -> str:
        """The log."""
        return self.supervisor.log.read_text(encoding="utf-8", errors="replace")

    def close(self) -> None:
        """End everything and leave nothing behind."""
        self.supervisor.stop()
        for camera in self.cameras:
            camera.switch_off()
        self.listener.close()
        self.broker.stop()
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.state)], check=False)

    def _supervisor(self) -> Supervisor:
        words = [sys.executable, "-m", "fer_edge", "run", "--config", str(self.config)]
        environment = {"FER_EDGE_MODEL_TUNE": "false", "FER_EDGE_CACHE": os.environ["FER_EDGE_CACHE"]}
        environment["FAKE_EDGETPU"] = str(self.stick)
        if self.kit.clock:
            environment |= {
                "LD_PRELOAD": str(FAKETIME),
                "FAKETIME_TIMESTAMP_FILE": str(self.clock),
                "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # its fix for another C library turns every timed wait into a loop
            }
        rules = replace(read_rules(), watchdog_s=WATCHDOG_S)
        with suppress(FileNotFoundError):
            (self.folder / "notify").unlink()
        return Supervisor(words, rules, self.folder, environment)
