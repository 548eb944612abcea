"""A relocatable Python that the user gives for a board whose own is too old, looked at before it is taken along."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path

from ....archives import Unreadable, reading
from ....errors import InputError
from .wheel_closure import Target

MACHINES = {"aarch64": 183, "x86_64": 62}
"""ELF's e_machine (System V ABI)."""
PROGRAM = re.compile(r"(?:\./)?[^/]+/bin/python(3\.\d+)")


def check_python(archive: Path, target: Target) -> None:
    """Whether an archive holds, below one folder, bin/python3 and the program it stands for, for this board.

    Raises InputError: it is no .tar.gz, has no Python, or one of another version or machine.
    """
    hint = "an archive install_only of python-build-standalone, .tar.gz, for aarch64-unknown-linux-gnu"
    try:
        with reading(), tarfile.open(archive, "r:gz") as tar:
            version, head, link = _program(tar)
    except (OSError, Unreadable) as error:
        raise InputError(f"{archive} is no .tar.gz: {error}", hint=hint) from None
    if not version or not link:
        raise InputError(f"{archive} has no bin/python3 below one folder", hint=hint)
    if version != target.python:
        raise InputError(f"{archive} has Python {version}, the wheels are for {target.python}", hint=hint)
    if head[:4] != b"\x7fELF" or int.from_bytes(head[18:20], "little") != MACHINES.get(target.machine):
        raise InputError(f"{archive} has a Python for another machine than {target.machine}", hint=hint)


def _program(tar: tarfile.TarFile) -> tuple[str, bytes, bool]:
    """Version and first bytes of the program, and whether there is a bin/python3."""
    version, head, link = "", b"", False
    for member in tar:
        link = link or re.fullmatch(r"(?:\./)?[^/]+/bin/python3", member.name) is not None
        found = PROGRAM.fullmatch(member.name)
        if found and member.isfile():
            content = tar.extractfile(member)
            version, head = found[1], content.read(20) if content else b""
        if version and link:
            break
    return version, head, link
