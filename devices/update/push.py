"""Takes an update to a kiosk over SSH, by the ssh program with the user's own keys, and applies it there."""

from __future__ import annotations

import re
import shlex
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from ...bundle import open_bundle
from ...errors import DeviceFailed, FerEdgeError, UsageError
from ...words import printable
from ..ssh import SOON_S, SSH, SUDO, over_ssh
from .brought import kind_of
from .new_release import check_payload
from .pack import ENDING, pack, unpacked
from .signature import ENDING as SIGNATURE
from .signature import sign

PLACE = "/var/tmp/fer-edge-update."


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
    place, name = over_ssh(host, f"mktemp -d {PLACE}XXXXXX", ssh, limit_s=SOON_S).strip(), files[0].name
    if not re.fullmatch(rf"{re.escape(PLACE)}\w{{6}}", place):
        raise DeviceFailed(f"{host} made no folder for the update: {printable(place)}", hint=f"ssh {host} df -h")
    try:
        on_message(f"copying {name} to {host}:{place}")
        for file in files:
            _send(host, file, f"{place}/{file.name}", ssh)
        words = ["fer-edge", "update", "apply", f"{place}/{name}", *options]
        on_message(f"applying it on {host}; that takes some minutes")
        return over_ssh(host, f"{SUDO}{shlex.join(words)} 2>&1", ssh)
    finally:
        with suppress(FerEdgeError):
            over_ssh(host, f"rm -rf {place}", ssh, limit_s=SOON_S)


def _send(host: str, file: Path, to: str, ssh: Sequence[str]) -> None:
    try:
        with file.open("rb") as content:
            over_ssh(host, f"cat > {shlex.quote(to)}", ssh, content)
    except DeviceFailed as error:
        raise DeviceFailed(error.message, cause="no room is left there", hint=f"ssh {host} df -h /var/tmp") from None
