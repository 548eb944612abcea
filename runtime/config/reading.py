"""Reading: file, then environment, then flags; every problem is gathered before anything is said."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from ...errors import UsageError
from ...files import read_text
from ...toml_schema import NotToml, fit, from_text, make, parse_toml, read_toml, salvaged
from .consistency import check_consistency
from .keys import Entry, Origin, Problem
from .layers import Values, from_environment, from_file, from_flags
from .sections import KioskConfig


@dataclass(frozen=True)
class ReadResult:
    """What reading found.

    Attributes:
        config: None when a value of it is wrong; it may still lack what the rules ask for.
        likely: the same with defaults for what is wrong, so that the rest can be looked at; None when nothing is known.
        doubtful: full keys for which `likely` has defaults.
        origins: full key -> where its value comes from, for those that somebody set.
        problems: errors and warnings.
    """

    path: Path
    config: KioskConfig | None
    origins: Mapping[str, Origin]
    problems: tuple[Problem, ...]
    likely: KioskConfig | None = None
    doubtful: frozenset[str] = frozenset()

    @property
    def errors(self) -> list[Problem]:
        """What keeps the kiosk from starting."""
        return [p for p in self.problems if p.serious]

    @property
    def warnings(self) -> list[Problem]:
        """What it starts with, and somebody should look at."""
        return [p for p in self.problems if not p.serious]

    def first_error(self) -> UsageError:
        """The first error, and how many more there are; there must be one."""
        first, more = self.errors[0], len(self.errors) - 1
        hint = first.hint if first.hint and not more else f"fer-edge config check {self.path}"
        return UsageError(f"{first} (and {more} more)" if more else str(first), hint=hint)

    def adding(self, problems: Iterable[Problem]) -> ReadResult:
        """The same with more problems, each told where its key was set; nothing about keys that are wrong already."""
        known = (p for p in problems if not any(key == p.key or key in p.what for key in self.doubtful))
        located = (replace(p, where=self._where(p.key)) for p in known)
        return replace(self, problems=(*self.problems, *located))

    def _where(self, full: str) -> str:
        origin = self.origins.get(full, Origin())
        if origin.layer == "file":
            return f"{self.path}, line {origin.line}"
        return str(self.path) if origin.layer == "default" else str(origin)


def load_config(path: Path, environment: Mapping[str, str], flags: Sequence[str] = ()) -> KioskConfig:
    """The configuration, if it can be started with; raises UsageError: the first error, its place, and how many more.

    Args:
        environment: such as os.environ; FER_EDGE_MQTT_HOST sets `mqtt.host`.
        flags: as `mqtt.host=broker`.
    """
    result = read_config(path, environment, flags)
    if result.config is None or result.errors:
        raise result.first_error()
    return result.config


def read_config(path: Path, environment: Mapping[str, str], flags: Sequence[str] = ()) -> ReadResult:
    """Everything that can be known without looking at the machine; arguments as for `load_config`.

    A value that is wrong does not hide what is wrong elsewhere: the rules are held with its default in its place.
    """
    try:
        text, not_read = _salvaged(path)
    except OSError as error:
        hint = f"ls -l {path}" if os.path.exists(path) else f"fer-edge config init {path}"
        unread = Problem("", f"cannot be read ({error.strerror})", hint=hint, where=str(path))
        return ReadResult(path, None, {}, (unread,))
    except NotToml as error:
        return ReadResult(path, None, {}, (_not_toml(path, error),))
    values, origins, problems, fitting = from_file(path, text, parse_toml(text))
    for settings, wrong in (from_environment(environment), from_flags(flags)):
        problems += wrong
        for entry, said, origin in settings:
            try:
                value = fit(entry.hint, entry.key, from_text(entry.hint, said), Path.cwd())
                _table(values, entry)[entry.name] = value
            except ValueError as error:
                problems.append(Problem(entry.full, str(error), where=str(origin)))
                fitting = False
            else:
                origins[entry.full] = origin
    found = (*(_not_toml(path, error) for error in not_read), *problems)
    if not_read:
        return ReadResult(path, None, origins, found)
    config = make(KioskConfig, values)
    doubtful = frozenset() if fitting else frozenset(p.key for p in problems if p.key)
    result = ReadResult(path, config if fitting else None, origins, found, config, doubtful)
    return result.adding(check_consistency(config))


def _table(values: Values, entry: Entry) -> dict[str, Any]:
    """Where a key's value goes; raises ValueError with the end of a sentence when there are several such places."""
    tables: Any = values.setdefault(entry.section, ({},) if entry.listed else {})
    if not entry.listed:
        return cast("dict[str, Any]", tables)
    if len(tables) != 1:
        raise ValueError(
            f"is not told of which {entry.section}: the file has {len(tables)} [[{entry.section}]]; set it there"
        )
    return cast("dict[str, Any]", tables[0])


def _salvaged(path: Path) -> tuple[str, list[NotToml]]:
    """The file's text without the lines that are not TOML, and those; raises OSError, NotToml for no text at all."""
    try:
        return read_toml(path)[0], []
    except NotToml as error:
        if not error.line:
            raise
    return salvaged(read_text(path) + "\n")


def _not_toml(path: Path, error: NotToml) -> Problem:
    where = f"{path}, line {error.line}" if error.line else str(path)
    return Problem("", f"is not valid TOML: {error}", where=where)
