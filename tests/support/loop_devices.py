"""A real loop device, where this machine gives one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def attached(file: Path) -> Iterator[str]:
    """The loop device over a file or device; skips where there is none."""
    made = subprocess.run(["losetup", "-f", "--show", file], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no loop device here: {made.stderr.strip()}")
    try:
        yield made.stdout.strip()
    finally:
        subprocess.run(["losetup", "-d", made.stdout.strip()], check=True)


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "file").write_bytes(bytes(4 << 20))
    with attached(tmp_path / "file") as device:
        yield device
