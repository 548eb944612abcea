"""A real loop device, where this machine gives one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "file").write_bytes(bytes(4 << 20))
    made = subprocess.run(["losetup", "-f", "--show", tmp_path / "file"], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no loop device here: {made.stderr.strip()}")
    yield made.stdout.strip()
    subprocess.run(["losetup", "-d", made.stdout.strip()], check=True)
