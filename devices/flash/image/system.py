"""What a root file system says about its operating system, read without running any of it."""

from __future__ import annotations

import re
import shlex
import struct

from ....errors import InputError
from ..ext4.filesystem import Ext4

MACHINES = {183: "aarch64", 40: "armv7l", 62: "x86_64", 3: "i686", 243: "riscv64"}
"""ELF's e_machine -> what `uname -m` says (System V ABI, e_machine)."""
PROGRAMS = ("/usr/bin/dash", "/bin/dash", "/bin/sh", "/bin/bash", "/usr/bin/env")
PYTHON = re.compile(r"python(3\.\d+)$")
LIBC = re.compile(r"libc-(\d+\.\d+)\.so$")
RELEASE = re.compile(rb"GNU C Library[^\n]*release version (\d+\.\d+)")
PACKAGE = re.compile(r"^Package: libc6$.*?^Version: (?:\d+:)?(\d+\.\d+)", re.MULTILINE | re.DOTALL)
LIBRARIES = [f"/lib/{kind}/libc.so.6" for kind in ("aarch64-linux-gnu", "arm-linux-gnueabihf", "x86_64-linux-gnu")]
SEED = "/etc/cloud/cloud.cfg.d/99_raspberry-pi.cfg"
"""Raspberry Pi OS from 2025-11-24 on: has cloud-init read the boot partition."""
HELPERS = ("/usr/lib/raspberrypi-sys-mods/firstboot", "/usr/lib/raspberrypi-sys-mods/imager_custom")
"""Raspberry Pi OS before that: what the script that Raspberry Pi Imager writes relies on."""


def os_release(system: Ext4) -> dict[str, str]:
    """/etc/os-release, as names and values (freedesktop.org's os-release(5))."""
    found = {}
    for line in system.read("/etc/os-release").decode("utf-8", "replace").splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#"):
            found[name] = "".join(shlex.split(value))
    return found


def architecture(system: Ext4) -> str:
    """Of which processor its shell is, whatever the kernel is for; raises InputError when it has no shell."""
    for path in PROGRAMS:
        if system.exists(path):
            head = system.read(path)[:20]
            if head[:4] == b"\x7fELF" and len(head) == 20:
                code = struct.unpack("<H" if head[5] == 1 else ">H", head[18:20])[0]
                return MACHINES.get(code, f"machine {code}")
    raise InputError(
        "the root file system has no shell, so its architecture cannot be told",
        cause="it is not a Debian, Raspberry Pi OS or JetPack system",
        hint="fer-edge flash --help",
    )


def python_version(system: Ext4) -> str:
    """Of /usr/bin/python3, such as 3.11; empty without one."""
    if not system.exists("/usr/bin/python3"):
        return ""
    found = PYTHON.search(system.real("/usr/bin/python3"))
    return found[1] if found else ""


def c_library(system: Ext4) -> str:
    """The version of glibc, by the package list, or the library itself; empty when neither tells."""
    if system.exists("/var/lib/dpkg/status"):
        text = system.read("/var/lib/dpkg/status").decode("utf-8", "replace")
        for paragraph in text.split("\n\n"):
            if found := PACKAGE.search(paragraph):
                return found[1]
    for path in LIBRARIES:
        if system.exists(path):
            if named := LIBC.search(system.real(path)):
                return named[1]
            if said := RELEASE.search(system.read(path)):
                return said[1].decode("ascii")
    return ""


def first_boot(system: Ext4, board: str) -> str:
    """By what the image lets itself be set up at its first boot: cloud-init, firstrun, jetson or none.

    A wrong guess would fail silently on the board, so each is recognised by what would carry it out.
    """
    if board == "jetson":
        return "jetson"
    if board != "raspberrypi":
        return "none"
    if system.exists("/usr/bin/cloud-init"):
        if not system.exists(SEED) or system.exists("/etc/cloud/cloud-init.disabled"):
            return "none"
        seed = system.read(SEED).decode("utf-8", "replace")
        return "cloud-init" if "NoCloud" in seed and "/boot/firmware" in seed else "none"
    return "firstrun" if any(system.exists(path) for path in HELPERS) else "none"
