"""A town that runs: its processes of stand-ins, its broker and Prometheus, and who listens to all of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from fer_edge.fleet.inventory import load_inventory, targets_json
from fer_edge.runtime.mqtt.settings import MqttSettings, trust_of
from support.brokers import Broker, Listener
from support.centre import FLEET, prometheus

from .place import Kiosk, at_another_time, lasting_ports, make_keys, make_kiosk, write_inventory

ROOM = 25
"""Stand-ins in a process: each has some fifteen descriptors, and select(2) takes none above 1023."""
SKEWED = ("ahead", "behind")
"""The last kiosks of a town with clocks of their own, each in a process of its own."""

TESTS = Path(__file__).parents[2]
"""Where the stand-ins' code is found from."""


class TownBroker(Broker):
    """mosquitto with packaging/fleet's configuration and, as Debian has it, its sessions kept at an orderly end."""

    def __init__(self, folder: Path, keys: Path) -> None:
        super().__init__(folder)
        lines = (FLEET / "mosquitto.conf").read_text().replace("/etc/mosquitto/fleet", str(keys))
        lines = lines.replace("listener 8883", f"listener {self.port} 127.0.0.1")
        self.config.write_text(f"{lines}\nuser root\npersistence true\npersistence_location {folder}/\n")


class Process:
    """One with some of the stand-ins; `clock` is the file that says how far its wall clock is off."""

    def __init__(self, folder: Path, name: str, kiosks: Sequence[Kiosk], clock: Path | None = None) -> None:
        self.kiosks, self._list, self._log = tuple(kiosks), folder / f"{name}.json", folder / f"{name}.log"
        self._list.write_text(json.dumps([(str(k.folder), k.number) for k in kiosks]))
        self._environment = at_another_time(clock) if clock else {}
        self.clock = clock
        self.running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; `ready` waits."""
        with self._log.open("ab") as log:
            self.running = subprocess.Popen(
                [sys.executable, "-m", "campaigns.town.process", str(self._list)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                env={**os.environ, **self._environment, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(TESTS)},
            )  # fmt: skip

    def ready(self) -> None:
        """Wait until all its stand-ins were started."""
        assert self.running is not None
        assert self.running.stdout is not None
        assert self.running.stdout.readline() == b"ready\n", self._log.read_text()

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """Power is cut; with SIGSTOP its connections stay open, as those of a machine that is gone do."""
        if self.running is not None and self.running.poll() is None:
            self.running.send_signal(how)
            if how == signal.SIGKILL:
                self.running.wait()
                for pipe in (self.running.stdin, self.running.stdout):
                    assert pipe is not None
                    pipe.close()

    def end(self) -> None:
        """As an orderly shutdown."""
        if self.running is not None and self.running.poll() is None:
            self.running.communicate(timeout=120)


class Town:
    """All of it; made by `town`."""

    def __init__(self, folder: Path, kiosks: Sequence[Kiosk], broker: TownBroker, address: str) -> None:
        self.folder, self.kiosks, self.broker, self.prometheus = folder, tuple(kiosks), broker, address
        self.inventory = write_inventory(folder, kiosks, broker.port)
        self.scraped = write_inventory(folder, kiosks, broker.port, address)
        plain, odd = kiosks[: -len(SKEWED)], kiosks[-len(SKEWED) :]
        half = (len(plain) + 1) // 2
        rooms = [part[n : n + ROOM] for part in (plain[:half], plain[half:]) for n in range(0, len(part), ROOM)]
        self.processes = [Process(folder, f"process-{n}", room) for n, room in enumerate(rooms)]
        self.cut = [p for p in self.processes if p.kiosks[0] in plain[:half]]
        """Those that have half the town."""
        self.skewed = {}
        for name, kiosk in zip(SKEWED, odd, strict=True):
            (folder / f"{name}.clock").write_text("+0\n")
            self.skewed[name] = Process(folder, name, [kiosk], folder / f"{name}.clock")

    def all_processes(self) -> list[Process]:
        """With those whose clocks are off."""
        return [*self.processes, *self.skewed.values()]

    def names(self) -> set[str]:
        """Of all kiosks."""
        return {kiosk.name for kiosk in self.kiosks}

    def fer_edge(self, *words: object) -> tuple[int, str]:
        """The command as people type it: exit code, and what it said."""
        done = subprocess.run(
            [sys.executable, "-m", "fer_edge", *map(str, words)], capture_output=True, text=True, cwd=self.folder
        )
        return done.returncode, done.stdout + done.stderr

    def status(self, inventory: Path | None = None) -> dict[str, dict[str, Any]]:
        """`fer-edge fleet status`, by name."""
        code, said = self.fer_edge("fleet", "status", "--inventory", inventory or self.inventory, "--json")
        assert code == 0, said
        return {row["name"]: row for row in json.loads(said)}

    def health(self, inventory: Path | None = None) -> dict[str, set[str]]:
        """Condition -> who is in it, by `fer-edge fleet status`."""
        found = defaultdict[str, set[str]](set)
        for name, row in self.status(inventory).items():
            found[row["health"]].add(name)
        return dict(found)


def centre_settings(folder: Path, port: int) -> MqttSettings:
    """How the centre comes to the broker."""
    keys = folder / "keys"
    return MqttSettings(
        "localhost", port, tls=True, ca_file=keys / "ca.crt", cert_file=keys / "centre.crt",
        key_file=keys / "centre.key",
    )  # fmt: skip


@contextmanager
def town(folder: Path, count: int, interval_s: float = 10.0, scrape_s: int = 5) -> Iterator[tuple[Town, Listener]]:
    """So many kiosks and their centre, started; and a subscriber whose session outlives the broker."""
    with ExitStack() as steps:
        make_keys(folder / "keys", [f"k{n}" for n in range(count)])
        broker = TownBroker(folder / "broker", folder / "keys")
        broker.start()
        steps.callback(broker.stop)
        ports = enumerate(lasting_ports(count))
        kiosks = [make_kiosk(folder, number, port, broker.port, interval_s) for number, port in ports]
        targets = targets_json(load_inventory(write_inventory(folder, kiosks, broker.port)).kiosk)
        address = steps.enter_context(prometheus(folder / "prometheus", targets, "x" * 16, scrape_s=scrape_s))
        made = Town(folder, kiosks, broker, address)
        listener = Listener(broker, "#", trust=trust_of(centre_settings(folder, broker.port)))
        steps.callback(listener.close)
        for process in made.all_processes():
            steps.callback(process.kill)
            process.start()
        for process in made.all_processes():
            process.ready()
        yield made, listener
        for process in made.all_processes():
            process.end()
