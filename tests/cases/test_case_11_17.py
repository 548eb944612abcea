"""Cases 11 and 17: cameras with a password of any kind, and cameras named by their path."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize("password", ["p[w", "p]w", "pa#ss", "pa/ss", "p@ss"])
def test_11_a_password_of_any_kind(
    password: str, command: Command, shared_case: Callable[[int], Path], tmp_path: Path
) -> None:
    url = f"rtsp://admin:{password}@127.0.0.1:1/x"
    done = command("run", "--source", url)
    assert done.returncode == 2
    assert "rtsp://127.0.0.1 failed: no video came" in done.stderr
    assert password not in done.stdout + done.stderr
    places = [f"{key}.folder={tmp_path / key}" for key in ("store", "record")]
    config = [shared_case(1) / "config.toml", "--set", f"source.what={url}", *(w for p in places for w in ("--set", p))]
    checked = command("config", "check", *config)
    assert checked.returncode == 0, checked.stderr
    assert password not in checked.stdout + checked.stderr


def test_17_a_camera_by_its_path(command: Command, tmp_path: Path) -> None:
    """A node without a driver behind it: a camera that is not there, and no recording that was not finished."""
    try:
        os.mknod(tmp_path / "v0", 0o600 | stat.S_IFCHR, os.makedev(81, 63))
    except PermissionError:
        pytest.skip("a device's node needs root")
    (tmp_path / "link").symlink_to("v0")
    for name in ("v0", "link", "/dev/v4l/by-id/usb-nobody-index0"):
        done = command("run", "--source", name)
        assert done.returncode == 3, done.stderr
        assert "there is no camera" in done.stderr
