"""The programs that edit an ext4 file system: found, or an error that says what to install."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ...errors import DeviceNotFound

PLACES = ("/usr/sbin", "/sbin", "/usr/local/sbin", "/opt/homebrew/opt/e2fsprogs/sbin", "/usr/local/opt/e2fsprogs/sbin")
"""Where they are when PATH does not have them: Debian's administrators' folders, Homebrew on macOS."""
PACKAGES = {"debugfs": "e2fsprogs", "e2fsck": "e2fsprogs", "resize2fs": "e2fsprogs", "fsck.vfat": "dosfstools"}


def find_tool(name: str) -> str | None:
    """The path of a program; None when it is not installed."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *PLACES]))


def need_tool(name: str) -> str:
    """The path of a program; raises DeviceNotFound with the command that installs it."""
    if found := find_tool(name):
        return found
    package = PACKAGES[name]
    installs = {"darwin": f"brew install {package}", "win32": "wsl --install, then the same command inside it"}
    raise DeviceNotFound(
        f"the program {name} is not installed",
        cause=f"it belongs to {package}, which reads and writes the file systems of the image",
        hint=installs.get(sys.platform, f"sudo apt-get install {package}"),
    )


def run_tool(name: str, arguments: Sequence[str | Path], cwd: Path) -> subprocess.CompletedProcess[bytes]:
    """Run a program and keep what it prints; its messages are English, and it asks nothing. Raises DeviceNotFound."""
    environment = {**os.environ, "LC_ALL": "C", "DEBUGFS_PAGER": "__none__"}
    command = [need_tool(name), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True)
