"""What this machine must have for the boot proof; whatever is absent is a skip with its reason, never a failure."""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass


@dataclass(frozen=True)
class Tool:
    """A program and the Debian package that has it."""

    program: str
    package: str


IMAGE = (
    Tool("mmdebstrap", "mmdebstrap"),
    Tool("arch-test", "arch-test"),
    Tool("fakeroot", "fakeroot"),
    Tool("dpkg-deb", "dpkg"),
)
"""To build the image; not asked for when it is built already."""
BOOT = (
    Tool("qemu-system-aarch64", "qemu-system-arm"),
    Tool("mcopy", "mtools"),
    Tool("mkfs.vfat", "dosfstools"),
    Tool("mke2fs", "e2fsprogs"),
    Tool("debugfs", "e2fsprogs"),
    Tool("timeout", "coreutils"),
)
"""To boot a card."""


def missing(tools: tuple[Tool, ...]) -> str:
    """A sentence that names the packages to install; empty when every program is there."""
    if platform.system() != "Linux":
        return "the boot proof builds a Linux image and needs a Linux machine"
    absent = sorted({tool.package for tool in tools if shutil.which(tool.program) is None})
    return f"needs {', '.join(absent)}: apt-get install {' '.join(absent)}" if absent else ""
