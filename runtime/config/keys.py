"""Every key of the configuration by its full name, and what changed between two configurations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, get_args, get_origin

from ...toml_schema import Field, fields_of
from .sections import KioskConfig

PREFIX = "FER_EDGE_"


@dataclass(frozen=True)
class Entry(Field):
    """A key in its section; `listed`: of which there may be several, such as `[[source]]`."""

    section: str
    listed: bool = False

    @property
    def full(self) -> str:
        """As in `--set mqtt.host=broker`."""
        return f"{self.section}.{self.name}"

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"{PREFIX}{self.section}_{self.name}".upper()


@dataclass(frozen=True)
class Change:
    """A key with another value."""

    key: str
    old: object
    new: object


@cache
def entries() -> dict[str, Entry]:
    """Every key by its full name, such as `mqtt.host`, in the order of the page."""
    found = [
        Entry(**vars(f), section=section.name, listed=is_listed(section.hint))
        for section in fields_of(KioskConfig).values()
        for f in fields_of(class_of(section.hint)).values()
    ]
    return {entry.full: entry for entry in found}


def section_lines() -> dict[str, str]:
    """Every section with the first line of its class's description."""
    hints = {name: class_of(section.hint) for name, section in fields_of(KioskConfig).items()}
    return {name: (hint.__doc__ or "").split("\n")[0] for name, hint in hints.items()}


def is_listed(hint: Any) -> bool:
    """Whether there may be several of a section."""
    return get_origin(hint) is tuple


def class_of(hint: Any) -> Any:
    """The dataclass of a section."""
    return get_args(hint)[0] if is_listed(hint) else hint


def tables_of(config: object, section: str) -> tuple[object, ...]:
    """The tables of a section in a configuration: one, or as many as there are."""
    body = getattr(config, section)
    return body if isinstance(body, tuple) else (body,)


def value_of(config: object, full: str) -> Any:
    """The value of `mqtt.host` in a configuration; where a section has several tables, that of each, in a tuple."""
    section, name = full.split(".")
    values = tuple(getattr(table, name) for table in tables_of(config, section))
    return values[0] if len(values) == 1 else values


def reloadable(old: KioskConfig, new: KioskConfig) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
    """The changes that can be applied now, and those that need a restart; each key's `Key.reload` says which.

    Where there are more or fewer tables of a section, that is one change, of its first key: their names.
    """
    changed = [
        (entry.key.reload, Change(full, value_of(old, full), value_of(new, full)))
        for full, entry in entries().items()
        if value_of(old, full) != value_of(new, full)
        and (entry.name == "name" or len(tables_of(old, entry.section)) == len(tables_of(new, entry.section)))
    ]
    return tuple(c for now, c in changed if now), tuple(c for now, c in changed if not now)


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
