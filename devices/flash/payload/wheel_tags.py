"""Which wheels a Python on a board takes: tags of PEP 425 and PEP 600. pip does not expand them for another machine."""

from __future__ import annotations

from dataclasses import dataclass

OLDEST = {"x86_64": 5, "aarch64": 17}
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
        oldest, newest = OLDEST.get(self.machine, 17), int(self.glibc.split(".")[1])
        tags = []
        for minor in range(newest, oldest - 1, -1):
            tags.append(f"manylinux_2_{minor}_{self.machine}")
            tags += [f"manylinux{LEGACY[minor]}_{self.machine}"] if minor in LEGACY else []
        return [*tags, f"linux_{self.machine}"]

    def takes(self, filename: str) -> bool:
        """Whether a wheel of this name can be installed (PEP 427, "File name convention")."""
        parts = filename.removesuffix(".whl").split("-")
        if not filename.endswith(".whl") or len(parts) not in (5, 6):
            return False
        pythons, abis, platforms = (part.split(".") for part in parts[-3:])
        fit = {"any", *self.platforms()}
        return bool(fit & set(platforms)) and any(self._python(p, abi) for p in pythons for abi in abis)

    def _python(self, python: str, abi: str) -> bool:
        minor = int(self.python.split(".")[1])
        if abi == "none":
            older = python[:3] == "py3" and python[3:].isdigit() and int(python[3:]) <= minor
            return older or python in ("py3", self.cpython)
        if abi == "abi3":
            return python[:3] == "cp3" and python[3:].isdigit() and int(python[3:]) <= minor
        return python == self.cpython and abi == self.cpython

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
