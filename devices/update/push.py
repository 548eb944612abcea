"""Takes an update to a kiosk over SSH, by the ssh program with the user's own keys, and applies it there."""

from __future__ import annotations

import re
import shlex
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from ...bundle import open_bundle
from ...errors import DeviceFailed, DeviceNotFound, GateFailed, UsageError
from ...words import printable
from .brought import kind_of
from .new_release import check_payload
from .pack import ENDING, pack, unpacked
from .signature import ENDING as SIGNATURE
from .signature import sign

NO_SHELL = 255
"""ssh's own exit code, when it did not get so far as to run anything."""
PLACE = "/var/tmp/fer-edge-update."
MARK = "fer-edge-push:"
"""Said there before anything that is asked for: a shell may greet first."""
SSH = ("ssh", "-oBatchMode=yes", "-oConnectTimeout=20", "-oServerAliveInterval=15", "-oServerAliveCountMax=4")
"""A kiosk whose power fails meanwhile is given up after a minute; without that, never."""
MOST = 1 << 20
"""Bytes of what is said there; an update says a few hundred."""
SUDO = 'if [ "$(id -u)" = 0 ]; then s=; else s="sudo -n"; fi; $s '


def push(
    host: str,
    brought: Path,
    options: Sequence[str] = (),
    ssh: Sequence[str] = SSH,
    on_message: Callable[[str], None] = lambda words: None,
    key: Path | None = None,
    password: Callable[[], str] | None = None,
) -> str:
    """Copy a payload or bundle to `host`, apply it there, and remove the copy; returns what was said there.

    Args:
        host: as ssh takes it, such as pi@kiosk; sudo without a password is needed there unless it is root.
        brought: a folder, or what `pack` made of one, which goes with the signature that lies beside it.
        options: for `fer-edge update apply`.
        ssh: the command and its options.
        key, password: as `sign` takes them; None: it is signed already, or the options say --unsigned.

    Raises:
        UsageError: `host` is none, or nothing is signed; DeviceNotFound: no ssh, or no way to the host; InputError,
        BundleError kinds: refused before anything was sent; GateFailed: taken back there; DeviceFailed: anything else
        went wrong there.
    """
    if not host or host.startswith("-"):
        raise UsageError(f"{host!r} is no host", hint="fer-edge update push pi@kiosk FOLDER")
    with tempfile.TemporaryDirectory(prefix="fer-edge-push-") as beside:
        file = packed(brought, Path(beside), key, password, "--unsigned" in options)
        seal = file.with_name(file.name + SIGNATURE)
        return _push(host, (file, seal) if seal.is_file() else (file,), options, ssh, on_message)


def packed(
    brought: Path, beside: Path, key: Path | None, password: Callable[[], str] | None, unsigned: bool = False
) -> Path:
    """What is to be sent, checked: the .tar that was brought, or one in `beside`; raises UsageError when unsigned."""
    file = _one_file(brought, beside, key, password)
    if not unsigned and not file.with_name(file.name + SIGNATURE).is_file():
        raise UsageError(
            f"{brought} is not signed",
            cause="a kiosk takes signed updates only",
            hint=f"fer-edge update push HOST {brought} --key NAME.key  # or --unsigned",
        )
    return file


def _one_file(brought: Path, beside: Path, key: Path | None, password: Callable[[], str] | None) -> Path:
    file = beside / f"{brought.stem}{ENDING}"
    if brought.is_dir() or brought.suffix != ENDING:
        pack(brought, file)
    else:
        with unpacked(brought, beside / "it", lambda size: None) as folder:
            if kind_of(folder) == "payload":
                check_payload(folder)
            else:
                open_bundle(folder)
        if key is None:
            return brought
        file.symlink_to(brought.resolve())  # its signature is to lie in `beside`
    if key is not None:
        sign(file, key, password)
    return file


def _push(
    host: str, files: Sequence[Path], options: Sequence[str], ssh: Sequence[str], on_message: Callable[[str], None]
) -> str:
    place, name = over_ssh(host, f"mktemp -d {PLACE}XXXXXX", ssh).strip(), files[0].name
    if not re.fullmatch(rf"{re.escape(PLACE)}\w{{6}}", place):
        raise DeviceFailed(f"{host} made no folder for the update: {printable(place)}", hint=f"ssh {host} df -h")
    try:
        on_message(f"copying {name} to {host}:{place}")
        _send(host, files, place, ssh)
        words = ["fer-edge", "update", "apply", f"{place}/{name}", *options]
        on_message(f"applying it on {host}; that takes some minutes")
        return over_ssh(host, f"{SUDO}{shlex.join(words)} 2>&1", ssh)
    finally:
        quiet = subprocess.DEVNULL
        subprocess.run([*ssh, host, f"rm -rf {place}"], stdout=quiet, stderr=quiet, check=False)


def _send(host: str, files: Sequence[Path], place: str, ssh: Sequence[str]) -> None:
    process = subprocess.Popen(
        [*ssh, host, f"tar -xf - -C {place}"],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stderr is not None
    try:
        with process.stdin, tarfile.open(fileobj=process.stdin, mode="w|", dereference=True) as archive:
            for file in files:
                archive.add(file, file.name)
    except BrokenPipeError:
        pass  # why is in what it says
    said = printable(process.stderr.read().decode(errors="replace").strip())
    process.stderr.close()
    if process.wait():
        raise DeviceFailed(
            f"{host} did not take the update: {said or 'the connection was lost'}", hint=f"ssh {host} df -h"
        )


def over_ssh(host: str, command: str, ssh: Sequence[str]) -> str:
    """Run a shell's command there; what it said. Raises DeviceNotFound: no ssh, or no way; GateFailed, DeviceFailed."""
    try:
        done = _run([*ssh, host, f"echo {MARK}; {command}"])
    except FileNotFoundError:
        raise DeviceNotFound(f"the program {ssh[0]} is not here", hint="sudo apt install openssh-client") from None
    said = "\n".join(printable(line, 2000) for line in done.stdout.rpartition(f"{MARK}\n")[2].splitlines())
    if done.returncode == NO_SHELL:
        why = printable((done.stderr.strip().splitlines() or ["no reason given"])[-1])
        cause = "it is off, in another network, or does not know your key"
        raise DeviceNotFound(f"there is no way to {host}: {why}", cause=cause, hint=f"ssh {host} true")
    if done.returncode:
        kind = GateFailed if done.returncode == GateFailed.exit_code else DeviceFailed
        message, cause = _wrong((said.strip() or printable(done.stderr.strip(), 2000)).splitlines())
        raise kind(f"{host}: {message}", cause=cause, hint=f"ssh {host} journalctl -u fer-edge -n 50")
    return said


def _run(words: list[str]) -> subprocess.CompletedProcess[str]:
    """As subprocess.run, of a program that may not stop talking; raises DeviceFailed once it has said MOST."""
    with (
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process,
        ThreadPoolExecutor(2) as readers,
    ):

        def first(pipe: IO[bytes] | None) -> bytes:
            assert pipe is not None
            if len(said := pipe.read(MOST + 1)) > MOST:
                process.kill()
                pipe.close()  # whatever it has begun feels that nobody listens
            return said

        both = list(readers.map(first, (process.stdout, process.stderr)))
    if max(map(len, both)) > MOST:
        cause = "something there answers that is no kiosk, or a program does not end"
        raise DeviceFailed(f"{words[-2]} said more than {MOST >> 20} MiB and was cut off", cause=cause)
    out, err = (said.decode(errors="replace") for said in both)
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def _wrong(said: list[str]) -> tuple[str, str]:
    """What is wrong and why, from what was said before and after: `fer-edge: …`, then the likely cause."""
    start = next((i for i, line in enumerate(said) if line.startswith("fer-edge: ")), 0)
    message = said[start].removeprefix("fer-edge: ") if said else "no reason was given"
    causes = [line.strip() for line in said[start + 1 : start + 2]]
    return message, "".join(causes).removeprefix("likely cause: ")
