"""What errors, the doctor and the devices' profiles suggest to do, found in the source itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import tomllib
from support.source_rules import ROOT, modules
from test_house import ROOMS

DEBIAN = {
    "apt": "apt",
    "bash": "cd command echo export printf",
    "coreutils": "cat chmod cp df du head install ls mv rm tail tee uname",
    "docker.io": "docker",
    "e2fsprogs": "debugfs",
    "fdisk": "fdisk",
    "ffmpeg": "ffmpeg ffprobe",
    "file": "file",
    "findutils": "find",
    "gpiod": "gpioinfo",
    "gstreamer1.0-tools": "gst-launch-1.0",
    "iproute2": "ss",
    "libc-bin": "iconv ldconfig",
    "libheif-examples": "heif-convert",
    "make": "make",
    "mount": "mount swapoff swapon umount",
    "openssh-client": "ssh",
    "openssl": "openssl",
    "pciutils": "lspci",
    "sed": "sed",
    "sqlite3": "sqlite3",
    "sudo": "sudo",
    "systemd": "journalctl systemctl timedatectl",
    "udev": "udevadm",
    "unzip": "unzip",
    "usbutils": "lsusb",
    "util-linux": "blockdev dmesg fallocate lsblk lscpu mkswap",
}
"""Debian's package -> the programs of it that a suggestion may begin with; the shell's own words are bash's."""
OTHERS = {
    "us": "fer-edge ./install.sh",
    "Python's": "pip python3.9 pyenv uv vela PYTHON",
    "vendors'": "edgetpu_compiler jetson_clocks nvpmodel tegrastats vcgencmd",
    "a text that is filled in": "WORD",
}
"""Whose program a suggestion may begin with besides; whatever begins otherwise is prose."""
PROGRAMS = {name for names in (*DEBIAN.values(), *OTHERS.values()) for name in names.split()}
NAMES = ("hint", "fix", "how", "again")
TABLES = ("INSTALL", "GET", "PLUG_INS", "MORE_SWAP", "FETCH")


def texts(node: ast.expr | None) -> Iterator[str]:
    """The texts that an expression may give, whatever is filled in as WORD."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        filled = (str(v.value) if isinstance(v, ast.Constant) else "WORD" for v in node.values)
        yield "".join(filled)
    elif isinstance(node, ast.IfExp):
        yield from (*texts(node.body), *texts(node.orelse))
    elif isinstance(node, ast.BinOp):
        yield from (a + b for a in texts(node.left) or ["WORD"] for b in texts(node.right) or ["WORD"])
    elif isinstance(node, ast.Dict):
        for value in node.values:
            yield from texts(value)


def suggestions(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of each in a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        found: list[ast.expr | None] = []
        if isinstance(node, ast.Call):
            found += [k.value for k in node.keywords if k.arg in NAMES]
            found += node.args[2:3] if ast.unparse(node.func) == "problem" else []
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in (*NAMES, *TABLES):
            found.append(node.value)
        yield from ((node.lineno, text) for value in found for text in texts(value))


def from_profiles() -> Iterator[tuple[str, str]]:
    for path in (ROOT / "devices/profiles").glob("*.toml"):
        data = tomllib.loads(path.read_text())
        for text in (*data.get("probe", ()), *(row["fix"] for row in data.get("pairs", ()) if "fix" in row)):
            yield path.name, text.replace("{python}", "PYTHON")


ALL = [
    *((f"{p.relative_to(ROOT)}:{line}", t) for p in modules(ROOT, ROOMS).values() for line, t in suggestions(p)),
    *from_profiles(),
]


def is_command(text: str) -> bool:
    return text.replace("{python}", "PYTHON").split(" ")[0] in PROGRAMS
