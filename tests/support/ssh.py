"""A real SSH server on loopback, and a `fer-edge` that is found by who comes in there."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def ssh_server(home: Path) -> Iterator[tuple[str, ...]]:
    """A server with keys of its own, and the words that reach it; skips where there is none."""
    server = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if server is None or shutil.which("ssh") is None or os.getuid() != 0:
        pytest.skip("needs sshd, ssh and root")
    home.mkdir(mode=0o700)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / name], check=True)
    shutil.copy(home / "user.pub", home / "authorized")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    Path("/run/sshd").mkdir(exist_ok=True)
    lines = (
        f"HostKey {home}/host\nAuthorizedKeysFile {home}/authorized\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n"
    )
    (home / "sshd_config").write_text(f"Port {port}\nListenAddress 127.0.0.1\nPidFile none\n{lines}")
    process = subprocess.Popen([server, "-D", "-f", home / "sshd_config"], stderr=subprocess.DEVNULL)
    options = ("-p", str(port), "-i", str(home / "user"), "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes")
    words = ("ssh", *options, "-o", f"UserKnownHostsFile={home}/known")
    for _ in range(200):
        if subprocess.run([*words, "root@127.0.0.1", "true"], capture_output=True).returncode == 0:
            break
        assert process.poll() is None
        time.sleep(0.05)
    try:
        yield words
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[tuple[str, ...]]:
    """As `ssh_server`."""
    with ssh_server(tmp_path / "ssh") as words:
        yield words


@contextmanager
def installed() -> Iterator[None]:
    """A `fer-edge` on the path of who comes in; skips where one is installed."""
    program = Path("/usr/local/bin/fer-edge")
    if program.exists():
        pytest.skip("a fer-edge is installed on this machine")
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m fer_edge "$@"\n')
    program.chmod(0o755)
    try:
        yield
    finally:
        program.unlink()


@pytest.fixture
def there() -> Iterator[Callable[[], list[str]]]:
    """As `installed`, and what lies in the other side's folder for updates."""
    with installed():
        yield lambda: sorted(p.name for p in Path("/var/tmp").glob("fer-edge-update.*"))
