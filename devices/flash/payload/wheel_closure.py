"""What a set of wheels still lacks on a board. Markers are asked about the board, not about this computer."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path

from ....archives import Unreadable, reading
from ....errors import InputError, MissingExtra

MIN_GLIBC = {"x86_64": 5, "aarch64": 17}
"""The oldest glibc 2.x that manylinux knows for a machine (PEP 600)."""
FETCH = "fer-edge flash fetch --python 3.11  # for bookworm; 3.13 for trixie"
"""Fills a wheelhouse again."""
LEGACY = {17: "2014", 12: "2010", 5: "1"}
"""glibc 2.x -> the older name of the same tag (PEP 513, 571, 599)."""


@dataclass(frozen=True)
class Target:
    """A Python on a board.

    Attributes:
        python: such as 3.11.
        machine: aarch64 or x86_64.
        glibc: such as 2.36.
    """

    python: str
    machine: str = "aarch64"
    glibc: str = "2.36"

    @property
    def name(self) -> str:
        """Of its folder in a wheelhouse."""
        return f"{self.cpython}-{self.machine}-glibc{self.glibc}"

    @property
    def cpython(self) -> str:
        """Such as cp311."""
        return "cp" + self.python.replace(".", "")

    def words(self) -> str:
        """For people."""
        return f"Python {self.python} on {self.machine} with glibc {self.glibc}"

    def platforms(self) -> list[str]:
        """Platform tags, the newest first."""
        oldest, newest = MIN_GLIBC.get(self.machine, 17), int(self.glibc.split(".")[1])
        tags = []
        for minor in range(newest, oldest - 1, -1):
            tags.append(f"manylinux_2_{minor}_{self.machine}")
            tags += [f"manylinux{LEGACY[minor]}_{self.machine}"] if minor in LEGACY else []
        return [*tags, f"linux_{self.machine}"]

    def takes(self, filename: str) -> bool:
        """Whether a wheel of this name can be installed; raises MissingExtra without the package `packaging`."""
        try:
            from packaging.utils import InvalidWheelFilename, parse_wheel_filename

            from packaging import tags
        except ImportError:
            raise MissingExtra("packaging", "flash") from None
        try:
            offered = parse_wheel_filename(filename)[3]
        except InvalidWheelFilename:
            return False
        version, platforms = tuple(map(int, self.python.split("."))), self.platforms()
        supported = {
            *tags.cpython_tags(version, [self.cpython], platforms),
            *tags.compatible_tags(version, self.cpython, platforms),
        }
        return not offered.isdisjoint(supported)

    def markers(self) -> dict[str, str]:
        """The environment that a requirement's marker is asked about (PEP 508)."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }


def missing(wheels: Sequence[Path], target: Target, extras: Sequence[str]) -> list[str]:
    """Requirements that no wheel meets, starting from our own with these extras; such as `numpy>=1.24`.

    Raises:
        InputError: a file is no wheel, or our own is not among them.
        MissingExtra: the package `packaging` is not installed.
    """
    try:
        from packaging.requirements import Requirement
        from packaging.utils import canonicalize_name
        from packaging.version import Version
    except ImportError:
        raise MissingExtra("packaging", "flash") from None
    known: dict[str, tuple[Version, Path]] = {}
    for wheel in wheels:
        name, version, *_ = wheel.name.split("-")
        known[canonicalize_name(name)] = Version(version), wheel
    if "fer-edge" not in known:
        raise InputError("fer-edge's own wheel is not in the wheelhouse", hint=FETCH)
    lacking: dict[str, None] = {}
    seen: set[tuple[str, str]] = set()
    queue = [("fer-edge", extra) for extra in ("", *extras)]
    while queue:
        name, extra = queue.pop(0)
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for line in requirements(known[name][1]):
            wanted = Requirement(line)
            if wanted.marker and not wanted.marker.evaluate({**target.markers(), "extra": extra}):
                continue
            if extra and not wanted.marker:
                continue
            found = known.get(canonicalize_name(wanted.name))
            if found is None or not wanted.specifier.contains(found[0], prereleases=True):
                lacking[f"{wanted.name}{wanted.specifier}"] = None
                continue
            queue += [(canonicalize_name(wanted.name), more) for more in ("", *sorted(wanted.extras))]
    return list(lacking)


def check_python(wheel: Path, target: Target) -> None:
    """Whether a wheel's Requires-Python takes the target's; raises InputError, or MissingExtra without `packaging`."""
    try:
        from packaging.specifiers import SpecifierSet
    except ImportError:
        raise MissingExtra("packaging", "flash") from None
    wanted = Parser().parsestr(_metadata(wheel)).get("Requires-Python", "")
    if not SpecifierSet(wanted).contains(f"{target.python}.0"):
        raise InputError(
            f"fer-edge needs Python {wanted}, the image has {target.python}",
            cause="the image is too old",
            hint="take a newer image; for a Jetson Nano give a Python with --own-python",
        )


def requirements(wheel: Path) -> list[str]:
    """The Requires-Dist of a wheel; raises InputError when it is none."""
    return Parser().parsestr(_metadata(wheel)).get_all("Requires-Dist") or []


def _metadata(wheel: Path) -> str:
    try:
        with reading(), zipfile.ZipFile(wheel) as archive:
            inside = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA") and n.count("/") == 1)
            return archive.read(inside).decode("utf-8")
    except (OSError, Unreadable, StopIteration) as error:
        raise InputError(f"{wheel} is no wheel", cause=str(error) or "it has no METADATA", hint=FETCH) from None
