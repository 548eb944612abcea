"""Shared libraries that a backend loads: where they lie, and which version, from what the system itself knows."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..detect import entries, text_of
from ..profile import Profile
from .commands import ask
from .finding import Finding, ok, problem

FOLDERS = (
    *("usr/lib", "usr/lib/*-linux-gnu", "usr/local/lib", "usr/local/lib/*-linux-gnu", "lib", "lib/*-linux-gnu"),
    *("usr/lib64", "usr/lib/*-linux-gnu/tegra", "usr/lib/*-linux-gnu/nvidia"),
)
PACKAGED = ("usr/lib", "lib")
"""Where packages put libraries; one elsewhere was put there by hand, and no package's version is its own."""
MARKS = {"librknnrt": re.compile(rb"librknnrt version: ([0-9][0-9A-Za-z.]*)")}
"""Library -> what stands in its file before its version."""
MAX_BYTES = 64 << 20
GET = {
    "libedgetpu": "sudo apt install libedgetpu1-std  # from Google's Coral source, or rebuilt packages of your TFLite",
    "librknnrt": "sudo cp librknnrt.so /usr/lib/ && sudo ldconfig  # from rknpu2/runtime of Rockchip's rknn-toolkit2",
    "libethosu_delegate": "sudo find / -name 'libethosu_delegate*'  # it comes with NXP's own Linux image",
}
"""Library -> how it comes on a board."""
LINKS = 8
"""Links followed before we call it a circle."""


def examine(profile: Profile, root: Path, found: dict[str, str]) -> list[Finding]:
    """One finding a library; versions are added to `found` under the library's plain name."""
    findings = []
    for name in profile.libraries:
        stem = name.partition(".so")[0]
        finding, version = _library(name, stem, root)
        findings.append(finding)
        if version:
            found[stem] = version
    return findings


def find_library(name: str, root: Path) -> Path | None:
    """Where a shared library lies, links followed inside `root`; its real name often carries its version."""
    for pattern in FOLDERS:
        for folder in entries(root, pattern):
            if os.path.lexists(folder / name):
                return _followed(folder / name, root)
    return _known_to_the_loader(name, root)


def library_version(path: Path, stem: str, root: Path) -> str:
    """Version of a library from its own bytes or the package it came in; empty where neither tells."""
    mark = MARKS.get(stem)
    if mark is not None:
        told = mark.search(_bytes_of(path))
        return told[1].decode("ascii") if told else ""
    if not path.is_relative_to(root) or not str(path.relative_to(root)).startswith(PACKAGED):
        return ""
    packages = installed_packages(root)
    named = re.compile(rf"{re.escape(stem)}\d*(-\w+)*")
    return next((version for name, version in packages.items() if named.fullmatch(name)), "")


def installed_packages(root: Path) -> dict[str, str]:
    """Name -> version of what dpkg has installed, but for development files; empty where there is no dpkg."""
    packages = {}
    for paragraph in text_of(root / "var/lib/dpkg/status").split("\n\n"):
        lines = [line.partition(": ") for line in paragraph.splitlines() if not line.startswith(" ")]
        fields = {key: value for key, _, value in lines}
        name = fields.get("Package", "")
        if fields.get("Status", "").endswith(" installed") and not name.endswith("-dev"):
            packages[name] = fields.get("Version", "")
    return packages


def _library(name: str, stem: str, root: Path) -> tuple[Finding, str]:
    path = find_library(name, root)
    if path is None:
        fix = GET.get(stem, f"sudo ldconfig && ldconfig -p | grep {stem}")
        return problem(name, "not in any library folder", fix), ""
    place = f"/{path.relative_to(root)}" if path.is_relative_to(root) else str(path)
    if not os.path.isfile(path):
        return problem(name, f"{place} is a link to nothing", GET.get(stem, f"ls -l {Path(place).parent}")), ""
    version = library_version(path, stem, root)
    return ok(name, f"{place}, version {version or 'unknown'}"), version


def _followed(path: Path, root: Path) -> Path:
    for _ in range(LINKS):
        if not os.path.islink(path):
            break
        target = os.readlink(path)
        path = root / target.lstrip("/") if target.startswith("/") else path.parent / target
    return Path(os.path.normpath(path))


def _known_to_the_loader(name: str, root: Path) -> Path | None:
    """What ldconfig's cache has, for libraries in places of their own."""
    answer = ask(root, ["ldconfig", "-p"])
    for line in answer.text.splitlines() if answer else ():
        listed, _, place = line.partition(" => ")
        if place and listed.split()[:1] == [name]:
            return root / place.strip().lstrip("/")
    return None


def _bytes_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES)
    except OSError:
        return b""
