"""Which wheels a Python on a board takes: tags of PEP 425 and PEP 600. pip does not expand them for another machine."""

from __future__ import annotations

from dataclasses import dataclass

from ....errors import MissingExtra

MIN_GLIBC = {"x86_64": 5, "aarch64": 17}
"""The oldest glibc 2.x that manylinux knows for a machine (PEP 600)."""
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
