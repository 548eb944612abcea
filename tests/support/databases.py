"""A real PostgreSQL of a test's own, on this machine's loopback."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.kiosks import free_port

PASSWORD = "between-us"
NOBODY = "postgres"
"""Under which user it runs where the tests are root's: PostgreSQL refuses root."""


@contextmanager
def postgresql() -> Iterator[str]:
    """Its URL with a login; skips where PostgreSQL is not installed."""
    where = os.pathsep.join([os.environ.get("PATH", ""), *map(str, Path("/usr/lib/postgresql").glob("*/bin"))])
    control, begin = (shutil.which(name, path=where) for name in ("pg_ctl", "initdb"))
    if not control or not begin:
        pytest.skip("needs postgresql")
    as_user = ["runuser", "-u", NOBODY, "--"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as folder:
        secret, data, port = Path(folder, "secret"), Path(folder, "data"), free_port()
        secret.write_text(PASSWORD)
        if as_user:
            shutil.chown(folder, NOBODY)
            shutil.chown(secret, NOBODY)

        def run(*words: object) -> None:
            subprocess.run([*as_user, *map(str, words)], check=True, capture_output=True, cwd=folder)

        run(begin, "-D", data, "-U", "sweeps", "--auth=scram-sha-256", f"--pwfile={secret}", "--no-sync")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
        run(control, "-D", data, "-w", "-l", Path(folder, "log"), "-o", options, "start")
        try:
            yield f"postgresql://sweeps:{PASSWORD}@127.0.0.1:{port}/postgres"
        finally:
            run(control, "-D", data, "-m", "immediate", "stop")
