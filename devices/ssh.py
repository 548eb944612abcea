"""A shell's command on another machine, by the ssh program with the user's own keys.

What it says and how long it takes have bounds: a kiosk that hangs, or was taken over, holds up no others.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from selectors import EVENT_READ, DefaultSelector
from time import monotonic
from typing import IO

from ..errors import DeviceFailed, DeviceNotFound, GateFailed
from ..words import printable

SSH = ("ssh", "-oBatchMode=yes", "-oConnectTimeout=20", "-oServerAliveInterval=15", "-oServerAliveCountMax=4")
"""A kiosk whose power fails meanwhile is given up after a minute; without that, never."""
SUDO = 'if [ "$(id -u)" = 0 ]; then s=; else s="sudo -n"; fi; $s '
SOON_S = 120.0
"""For what is done there at once."""
LIMIT_S = 3600.0
"""For what takes long, such as a copy over a slow line: a connection that stands can still lead to nothing."""
_NO_SHELL = 255
"""ssh's own exit code, when it did not get so far as to run anything."""
_MARK = "fer-edge-push:"
"""Said there before anything that is asked for: a shell may greet first."""
_OURS = "fer-edge: "
"""So begins what our command says there when it fails; others end with the same codes."""
_MOST = 1 << 20
"""Bytes of what is said there; an update says a few hundred."""


def over_ssh(
    host: str, command: str, ssh: Sequence[str] = SSH, content: IO[bytes] | None = None, limit_s: float = LIMIT_S
) -> str:
    """Run a shell's command there; what it said.

    Args:
        host: as ssh takes it, such as pi@kiosk.
        ssh: the program and its options.
        content: a file that is its standard input.

    Raises DeviceNotFound: no ssh, or no way; GateFailed, DeviceFailed: what was said there, or no end of it.
    """
    try:
        code, out, err = _run([*ssh, host, f"echo {_MARK}; {command}"], content, limit_s)
    except FileNotFoundError:
        raise DeviceNotFound(f"the program {ssh[0]} is not here", hint="sudo apt install openssh-client") from None
    said = "\n".join(printable(line, 2000) for line in out.rpartition(f"{_MARK}\n")[2].splitlines())
    if code == _NO_SHELL:
        why = printable((err.strip().splitlines() or ["no reason given"])[-1])
        cause = "it is off, in another network, or does not know your key"
        raise DeviceNotFound(f"there is no way to {host}: {why}", cause=cause, hint=f"ssh {host} true")
    if code:
        lines = (said.strip() or printable(err.strip(), 2000)).splitlines()
        taken_back = code == GateFailed.exit_code and any(line.startswith(_OURS) for line in lines)
        message, cause = _wrong(lines)
        raise (GateFailed if taken_back else DeviceFailed)(
            f"{host}: {message}", cause=cause, hint=f"ssh {host} journalctl -u fer-edge -n 50"
        )
    return said


def _run(words: list[str], content: IO[bytes] | None, limit_s: float) -> tuple[int, str, str]:
    """Exit code and what was said; raises DeviceFailed once that is more than _MOST, or when the time is over."""
    end = monotonic() + limit_s
    given = subprocess.DEVNULL if content is None else content
    with subprocess.Popen(words, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            out, err = _heard(process, end)
            process.wait(max(0.0, end - monotonic()))
        except (OverflowError, TimeoutError, subprocess.TimeoutExpired) as error:
            process.kill()
            much = isinstance(error, OverflowError)
            raise DeviceFailed(
                f"{words[-2]} said more than {_MOST >> 20} MiB and was cut off" if much
                else f"{words[-2]} came to no end within {limit_s:.0f} s and was cut off",
                cause="something there answers that is no kiosk, or a program does not end",
                hint=f"ssh {words[-2]} true",
            ) from None  # fmt: skip
    return process.returncode, out.decode(errors="replace"), err.decode(errors="replace")


def _heard(process: subprocess.Popen[bytes], end_s: float) -> tuple[bytearray, bytearray]:
    """Both of its outputs, to their end; raises OverflowError, TimeoutError."""
    assert process.stdout is not None
    assert process.stderr is not None
    both = bytearray(), bytearray()
    with DefaultSelector() as pipes:
        for pipe, said in zip((process.stdout, process.stderr), both, strict=True):
            pipes.register(pipe, EVENT_READ, said)
        while pipes.get_map():
            for key, _ in pipes.select(max(0.0, end_s - monotonic())):
                part = os.read(key.fd, 65536)
                key.data.extend(part)
                if not part:
                    pipes.unregister(key.fileobj)
                if len(key.data) > _MOST:
                    raise OverflowError
            if pipes.get_map() and monotonic() >= end_s:
                raise TimeoutError
    return both


def _wrong(said: list[str]) -> tuple[str, str]:
    """What is wrong and why, from what was said before and after: `fer-edge: …`, then the likely cause."""
    start = next((i for i, line in enumerate(said) if line.startswith(_OURS)), 0)
    message = said[start].removeprefix(_OURS) if said else "no reason was given"
    causes = [line.strip() for line in said[start + 1 : start + 2]]
    return message, "".join(causes).removeprefix("likely cause: ")
