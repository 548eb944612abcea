"""A board's root to run scripts in as root: this machine's programs, seen through an overlay that keeps all changes.

Nothing of this machine is changed: the overlay lies in a mount namespace of its own, its upper layer in memory, and the
host name is its own too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("unshare", "nsenter", "useradd", "usermod", "chpasswd", "groupadd", "systemctl", "ssh-keygen", "getent")
MOUNTS = """\
mount -t tmpfs -o mode=0755 board "$1" && mkdir "$1/upper" "$1/work" "$1/root" &&
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" board "$1/root" &&
mount --bind /dev "$1/root/dev" && mount -t tmpfs board "$1/root/tmp" && echo ready && exec sleep 900
"""


def missing() -> str:
    """Why there can be none on this machine; empty when there can."""
    if os.name != "posix" or os.geteuid() != 0:
        return "needs root, for a mount namespace of its own"
    absent = [p for p in PROGRAMS if shutil.which(p, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None]
    return f"needs {', '.join(absent)}" if absent else ""


class Board:
    """The root, while it lasts."""

    def __init__(self, process: int, root: str) -> None:
        self.enter = ["nsenter", "-m", "-u", "-t", str(process), "chroot", root]

    def command(self, *words: str) -> list[str]:
        """What runs a program inside."""
        environment = [
            "env",
            "-i",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "SYSTEMD_OFFLINE=1",
        ]
        return [*self.enter, *environment, *words]

    def run(self, script: str, text: str | bytes = "", check: bool = True) -> str:
        """Run a shell script inside; what it printed."""
        data = text.encode() if isinstance(text, str) else text
        done = subprocess.run(self.command("sh", "-c", script), input=data, capture_output=True)
        said = (done.stdout + done.stderr).decode("utf-8", "replace")
        assert not check or done.returncode == 0, said
        return said

    def write(self, path: str, content: str | bytes, mode: str = "0644") -> None:
        self.run(f"mkdir -p $(dirname {path}) && cat > {path} && chmod {mode} {path}", content)

    def read(self, path: str) -> str:
        return self.run(f"cat {path}")

    def exists(self, path: str) -> bool:
        return subprocess.run(self.command("test", "-e", path)).returncode == 0


@contextmanager
def board(folder: Path) -> Iterator[Board | str]:
    """A new one; or why this machine cannot make it."""
    place = folder / "board"
    place.mkdir()
    keeper = subprocess.Popen(
        ["unshare", "-m", "-u", "sh", "-c", MOUNTS, "sh", str(place)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert keeper.stdout is not None
    assert keeper.stderr is not None
    try:
        ready = keeper.stdout.readline().strip() == "ready"
        yield Board(keeper.pid, f"{place}/root") if ready else f"no overlay: {keeper.stderr.read().strip()}"
    finally:
        keeper.kill()
        keeper.wait()
        keeper.stdout.close()
        keeper.stderr.close()
