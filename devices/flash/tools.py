"""The programs that edit file systems (e2fsprogs, mtools, dosfstools): found, or an error that says what to install."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ...errors import DeviceNotFound, InputError

PLACES = ("/usr/sbin", "/sbin", "/usr/local/sbin", "/opt/homebrew/opt/e2fsprogs/sbin", "/usr/local/opt/e2fsprogs/sbin")
"""Where they are when PATH does not have them: Debian's administrators' folders, Homebrew on macOS."""
PACKAGES = {
    **dict.fromkeys(("debugfs", "e2fsck", "resize2fs"), "e2fsprogs"),
    **dict.fromkeys(("mdir", "mcopy", "mmd"), "mtools"),
    "fsck.vfat": "dosfstools",
}
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "DEBUGFS_PAGER": "__none__", "MTOOLS_SKIP_CHECK": "1", "MTOOLSRC": os.devnull}
"""English messages, names in UTF-8, no questions; mtools refuses odd geometries of disks unless told to skip that."""


def need_tool(name: str) -> str:
    """The path of a program; raises DeviceNotFound with the command that installs it."""
    if found := shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *PLACES])):
        return found
    package = PACKAGES[name]
    installs = {"darwin": f"brew install {package}", "win32": "wsl --install, then the same command inside it"}
    raise DeviceNotFound(
        f"the program {name} is not installed",
        cause=f"it belongs to {package}, which reads and writes the file systems of the image",
        hint=installs.get(sys.platform, f"sudo apt-get install {package}"),
    )


def damaged_image(what: str, cause: str = "the image is damaged") -> InputError:
    """The error for an image that another download may cure."""
    return InputError(what, cause=cause, hint="download it again, and give its checksum with --sha256")


def run_tool(
    name: str, arguments: Sequence[str | Path], cwd: Path, timeout_s: float | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run a program and keep what it prints; it asks nothing. Raises DeviceNotFound, subprocess.TimeoutExpired."""
    command = [need_tool(name), *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **ENVIRONMENT},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=timeout_s,
    )
