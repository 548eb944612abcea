"""Running arm64 programs on this machine while an image is built: by qemu-user, known to the kernel as binfmt_misc.

Where the machine has arm64 registered that is used. Where it has not, a user namespace of our own registers it for
itself alone (Linux 6.7 and later), so that nothing of the machine is changed and a container needs no more rights.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REGISTRATION = Path("/usr/lib/binfmt.d/qemu-aarch64.conf")
"""Of Debian's package qemu-user-static: the line that binfmt_misc takes."""
REGISTER = (
    f"mount -t binfmt_misc none /proc/sys/fs/binfmt_misc && cat {REGISTRATION} > /proc/sys/fs/binfmt_misc/register"
)
"""Once in a namespace; it holds for every program that enters later."""


class NoForeign(RuntimeError):
    """This machine can run no arm64 program; says why."""


def registered(prefix: list[str]) -> bool:
    """Whether arm64 programs run, behind a command's prefix."""
    return subprocess.run([*prefix, "arch-test", "arm64"], capture_output=True).returncode == 0


@contextmanager
def arm64() -> Iterator[list[str]]:
    """Give the words that go before a command which runs arm64 programs as root of its own; may be none.

    Raises NoForeign: they run neither here nor in a namespace.
    """
    if os.geteuid() == 0 and registered([]):
        yield []
        return
    if not REGISTRATION.exists():
        raise NoForeign("no qemu-user for arm64: apt-get install qemu-user-static")
    with _namespace() as inside:
        subprocess.run([*inside, "sh", "-c", REGISTER], capture_output=True)
        if not registered(inside):
            raise NoForeign("arm64 is not registered with binfmt_misc, and Linux before 6.7 has none in a namespace")
        yield inside


@contextmanager
def _namespace() -> Iterator[list[str]]:
    """A user namespace with all user ids, held by a sleeping process; gives the words that enter it."""
    if os.geteuid() != 0:  # the ids of /etc/subuid, by newuidmap
        holding = ["unshare", "--user", "--map-auto", "--map-root-user", "--mount", "sleep", "3600"]
    else:
        holding = ["unshare", "--user", "--mount", "sleep", "3600"]
    holder = subprocess.Popen(holding)
    try:
        time.sleep(1)
        if os.geteuid() == 0:
            for name in ("uid_map", "gid_map"):
                Path(f"/proc/{holder.pid}/{name}").write_text("0 0 65536")
        yield ["nsenter", "--target", str(holder.pid), "--user", "--mount", "--setuid", "0", "--setgid", "0"]
    finally:
        holder.kill()
        holder.wait()
