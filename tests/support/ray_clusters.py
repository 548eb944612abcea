"""A Ray cluster as an administrator starts one, by `ray start`: on the loopback alone, and it asks for a token."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from support.children import gone
from support.kiosks import free_port
from support.waiting import until

STORE = 80 << 20
"""Bytes of shared memory, about the least that Ray takes."""
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""With it Ray listens on the loopback alone, and takes it for what it is in an address, too."""


@dataclass(frozen=True)
class RayCluster:
    """One that runs.

    Attributes:
        session: the number of the kernel's session which all its processes are in, and no other process is.
        addresses: as `ray.init` takes them: of the cluster itself, and of its client server.
        environment: with which others find it as `auto` and are let in.
    """

    session: int
    addresses: tuple[str, str]
    environment: dict[str, str]

    def processes(self) -> dict[int, str]:
        """Number -> what it calls itself, of each process of the cluster."""
        found = {}
        for place in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if os.getsid(int(place.name)) == self.session:
                    title = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    found[int(place.name)] = title
        return {pid: title for pid, title in found.items() if not gone(pid)}

    def actors(self) -> list[int]:
        """Its workers that are a batch's."""
        return [pid for pid, title in self.processes().items() if title.startswith("ray::Actor")]


@contextmanager
def ray_cluster(processors: int, **environment: str) -> Iterator[RayCluster]:
    """A head that has so many processors, with a client server and a folder of its own; all of it ends."""
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as name:  # short, for its sockets
        ports, own = [free_port() for _ in range(3)], _own(Path(name))
        words = ["start", "--head", "--block", "--disable-usage-stats", "--node-ip-address", "127.0.0.1"]
        words += ["--port", f"{ports[0]}", "--ray-client-server-port", f"{ports[1]}", "--num-cpus", f"{processors}"]
        words += ["--dashboard-agent-listen-port", f"{ports[2]}", "--include-dashboard", "false"]
        words += ["--object-store-memory", f"{STORE}"]
        log = Path(name, "log")
        with log.open("wb") as said:
            head = subprocess.Popen(
                [sys.executable, "-m", "ray.scripts.scripts", *words],
                env={**os.environ, **own, **environment}, stdout=said, stderr=said, start_new_session=True,
            )  # fmt: skip
        made = RayCluster(head.pid, (f"127.0.0.1:{ports[0]}", f"ray://127.0.0.1:{ports[1]}"), own)
        try:
            until(lambda: head.poll() is not None or Path(name, "ray", "ray_current_cluster").exists(), "Ray began")
            assert head.poll() is None, log.read_text()
            yield made
        finally:
            _end(made, head)


def _own(folder: Path) -> dict[str, str]:
    return {
        "RAY_TMPDIR": str(folder),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        **LOOPBACK,
    }


def _end(cluster: RayCluster, head: subprocess.Popen[bytes]) -> None:
    """End every process of the cluster, and no other."""

    def ended() -> bool:
        for pid in cluster.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return head.poll() is not None and not cluster.processes()

    until(ended, "the cluster ends")
