"""What is wrong with a configuration, or looks wrong; and where each value comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One of them.

    Attributes:
        key: full name such as `mqtt.host`; empty for the file as a whole.
        what: the end of a sentence that begins with the key.
        serious: the kiosk does not start with it; otherwise it is a warning.
        hint: one thing to try.
        where: file and line, variable or flag.
    """

    key: str
    what: str
    serious: bool = True
    hint: str = ""
    where: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.key} {self.what}" if self.key else f"{self.where}: {self.what}"


@dataclass(frozen=True)
class Origin:
    """Where a value comes from.

    Attributes:
        layer: default, file, environment or flag.
        line: in the file, from 1.
        name: of the variable or flag.
    """

    layer: str = "default"
    line: int = 0
    name: str = ""

    def __str__(self) -> str:
        return f"file line {self.line}" if self.layer == "file" else f"{self.layer} {self.name}".strip()
