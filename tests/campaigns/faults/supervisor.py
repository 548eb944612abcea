"""Stands in for systemd: starts a service by its unit's rules, listens to it, kills it when it is silent."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

UNIT = Path(__file__).resolve().parents[3] / "packaging" / "fer-edge.service"
LOOK_S = 0.02
CREDENTIALS = struct.Struct("3i")


@dataclass(frozen=True)
class Rules:
    """What systemd.service(5) calls them; seconds.

    Attributes:
        prevent: exit codes after which it is not started again.
        environment: of the service.
        powerless: the service has no capability, so that file modes bind root too.
    """

    restart: str
    restart_s: float
    prevent: frozenset[int]
    start_s: float
    stop_s: float
    watchdog_s: float
    umask: int
    environment: dict[str, str]
    powerless: bool


def read_rules(path: Path = UNIT) -> Rules:
    """The rules of a unit file; raises KeyError when one is missing."""
    pairs = [line.partition("=") for line in path.read_text(encoding="utf-8").splitlines() if line[:1].isalpha()]
    last = {key: value for key, _, value in pairs}
    words = [word for key, _, value in pairs if key == "Environment" for word in value.split()]
    return Rules(
        restart=last["Restart"],
        restart_s=float(last["RestartSec"]),
        prevent=frozenset(int(word) for word in last["RestartPreventExitStatus"].split()),
        start_s=float(last["TimeoutStartSec"]),
        stop_s=float(last["TimeoutStopSec"]),
        watchdog_s=float(last["WatchdogSec"]),
        umask=int(last["UMask"], 8),
        environment={name: value for name, _, value in (word.partition("=") for word in words)},
        powerless=not last["CapabilityBoundingSet"],
    )


@dataclass(frozen=True)
class Event:
    """Something that happened: `start`, `ready`, `reloading`, `status`, `watchdog`, `silent` or `exit`."""

    at_s: float
    kind: str
    text: str = ""


class Supervisor:
    """One service, from `start` to `stop`, in a thread of its own."""

    def __init__(self, words: Sequence[str], rules: Rules, folder: Path, environment: Mapping[str, str]) -> None:
        """Prepare.

        Args:
            words: the command.
            folder: for the socket and for the log of standard output and error.
            environment: beyond this process's own and the unit's; has the last word.
        """
        drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if rules.powerless and os.geteuid() == 0 else []
        self._words, self.rules = [*drop, *words], rules
        self.log, self._place = folder / "log", folder / "notify"
        notify = {"NOTIFY_SOCKET": str(self._place), "WATCHDOG_USEC": str(round(rules.watchdog_s * 1e6))}
        # Our stderr is a file and no journal, but lines should come as the journal gets them.
        self._environment = {**os.environ, **rules.environment, **notify, "JOURNAL_STREAM": "0:0", **environment}
        self.events: list[Event] = []
        self.process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    @property
    def condition(self) -> str:
        """The first word of the last status; `down` while no process is there."""
        last = next((e for e in reversed(self.events) if e.kind in ("status", "start", "exit")), None)
        if last is None or last.kind == "exit":
            return "down"
        return last.text.partition(":")[0] if last.kind == "status" else "starting"

    @property
    def pid(self) -> int:
        """Of the service; raises AssertionError when it does not run."""
        assert self.process is not None, "the service does not run"
        return self.process.pid

    def since(self, at_s: float, kind: str) -> list[Event]:
        """What happened of a kind from then on."""
        return [e for e in self.events if e.kind == kind and e.at_s >= at_s]

    def start(self) -> None:
        """Start it, and whenever it ends start it again, as the rules say."""
        self._thread.start()

    def stop(self) -> None:
        """End it for good."""
        self._stopping.set()
        self._thread.join(self.rules.stop_s + 5)

    def _work(self) -> None:
        self._place.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
            ear.bind(str(self._place))
            ear.settimeout(LOOK_S)
            ear.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            while not self._stopping.is_set():
                code = self._once(ear)
                if self.rules.restart != "always" or code in self.rules.prevent:
                    return
                self._stopping.wait(self.rules.restart_s)

    def _once(self, ear: socket.socket) -> int:
        """From a start to its end; the exit code, negative for a signal."""
        with self.log.open("ab") as log:
            self.process = process = subprocess.Popen(
                self._words, stdout=log, stderr=log, env=self._environment, umask=self.rules.umask
            )
        self._note("start")
        alive_s, patience_s = monotonic(), self.rules.start_s
        while process.poll() is None:
            for kind in self._hear(ear, process.pid):
                if kind in ("ready", "watchdog"):
                    alive_s, patience_s = monotonic(), self.rules.watchdog_s
            if self._stopping.is_set():
                self._end(process)
            elif monotonic() - alive_s > patience_s:
                self._note("silent", f"{patience_s:.1f} s")
                process.send_signal(signal.SIGABRT)  # systemd's WatchdogSignal=
                self._end(process)
        self.process = None
        self._note("exit", str(process.returncode))
        return process.returncode

    def _hear(self, ear: socket.socket, pid: int) -> list[str]:
        """The kinds of what the main process says; others are not listened to (NotifyAccess=main)."""
        try:
            data, extra, _, _ = ear.recvmsg(4096, socket.CMSG_SPACE(CREDENTIALS.size))
        except (TimeoutError, BlockingIOError):
            return []
        if not extra or CREDENTIALS.unpack(extra[0][2])[0] != pid:
            return []
        names = {"READY=1": "ready", "WATCHDOG=1": "watchdog", "RELOADING=1": "reloading", "STOPPING=1": "stopping"}
        kinds = []
        for line in data.decode().splitlines():
            key, _, value = line.partition("=")
            kind = names.get(line, "status" if key == "STATUS" else "")
            if kind:
                self._note(kind, value)
                kinds.append(kind)
        return kinds

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """As at `systemctl stop`: gently, then not."""
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(self.rules.stop_s)
        process.kill()
        process.wait()

    def _note(self, kind: str, text: str = "") -> None:
        self.events.append(Event(monotonic(), kind, text))


def children_of(pid: int) -> list[int]:
    """Numbers of all processes below it; those that end meanwhile are left out."""
    found: list[int] = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in Path(f"/proc/{pid}/task/{task}/children").read_text(encoding="ascii").split():
                found += [int(child), *children_of(int(child))]
    return found


def runs(pid: int) -> bool:
    """Whether a process is there and not a zombie."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    return False
