"""A kiosk for tests: the real command in a process of its own, with systemd's socket beside it."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from fer_edge.runtime.vision.detectors.weights import add_model
from support.waiting import until

PLACE = """
[place]
name = "Test bench"
kind = "museum"
purpose = "to be tested"
declared = 2026-11-25
"""


Sources = str | Mapping[str, str]
"""The one source, or several by name."""


@contextmanager
def cache_with(detector: Path, folder: Path) -> Iterator[None]:
    """A cache in that folder that holds the detector's weights, inside; for fixtures of a whole module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_EDGE_CACHE", str(folder))
        add_model(detector)
        yield


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Running:
    """A kiosk that runs, or ran."""

    def __init__(self, folder: Path, source: Sources, lines: str = "", **environment: str) -> None:
        """Write a configuration and prepare; `lines` are further sections of it."""
        self.folder, self.port = folder, free_port()
        folder.mkdir(exist_ok=True)
        self.config = folder / "config.toml"
        self.write(source, lines)
        self._environment = environment
        self.process: subprocess.Popen[bytes] | None = None
        self._told: list[str] = []

    def write(self, source: Sources, lines: str = "", least_group: int = 1) -> None:
        """The configuration, again."""
        one, several = '[source]\nwhat = "{}"\n{}', '[[source]]\nname = "{}"\nwhat = "{}"\n{}'
        more = "loop = true\ndeadline_s = 1\n"
        told = [one.format(source, more)] if isinstance(source, str) else []
        told += [] if isinstance(source, str) else [several.format(*pair, more) for pair in source.items()]
        self.config.write_text(
            f"{PLACE}{''.join(told)}[store]\n"
            f'folder = "{self.folder}/state/store"\ncommit_s = 0.2\n[web]\nport = {self.port}\n'
            f"[privacy]\nleast_group = {least_group}\n{lines}\n"
        )

    def start(self, words: tuple[str, ...] = (), prefix: tuple[str, ...] = (), cwd: Path | None = None) -> Running:
        """Start it; `prefix` is a command that runs it."""
        notify = self.folder / "notify"
        notify.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(notify))
        self._socket.setblocking(False)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*prefix, sys.executable, "-m", "fer_edge", "run", "--config", self.config, *words],
                stdout=log,
                stderr=log,
                cwd=cwd,
                env={
                    **os.environ,
                    "NOTIFY_SOCKET": str(notify),
                    "WATCHDOG_USEC": "2000000",
                    "FER_EDGE_MODEL_TUNE": "false",
                    **self._environment,
                },
            )
        return self

    def told(self) -> list[str]:
        """What systemd has heard."""
        while True:
            try:
                self._told.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return self._told

    def ready(self) -> Running:
        """Wait for READY."""
        until(lambda: self.ended() or "READY=1" in self.told(), "READY=1")
        assert not self.ended(), self.log()
        return self

    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def log(self) -> str:
        """Everything it said."""
        return (self.folder / "log").read_text()

    def ask(self, path: str, body: Mapping[str, object] | None = None) -> Any:
        """JSON or text of the page; posted with a body."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read().decode()
            return json.loads(text) if "json" in answer.headers["Content-Type"] else text

    def state(self, camera: str = "") -> dict[str, Any]:
        """The newest snapshot, as soon as there is one."""
        return dict(until(lambda: self._asked(f"/api/state?camera={camera}" if camera else "/api/state")))

    def _asked(self, path: str) -> Any:
        try:
            return self.ask(path)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code != 503:
                raise
        except (urllib.error.URLError, ConnectionError):
            assert not self.ended(), self.log()
        return None

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it, and give its exit code."""
        if self.process is None:
            return 0
        if not self.ended():
            self.process.send_signal(how)
        code = self.process.wait(20)
        self._socket.close()
        self.process = None
        return code

    def stored(self) -> int:
        """Observations that are on disk, as it says in its metrics."""
        name = "fer_edge_store_observations_total "
        return int(float(next(line for line in self.ask("/metrics").splitlines() if line.startswith(name)).split()[1]))

    def rows(self) -> int:
        """Observations on disk."""
        with closing(sqlite3.connect(self.folder / "state" / "store" / "kiosk.db")) as database:
            return int(database.execute("SELECT count(*) FROM observations").fetchone()[0])
