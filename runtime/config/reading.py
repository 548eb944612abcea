"""Reading: file, then environment, then flags; every problem is gathered before anything is said."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...errors import UsageError
from ...toml_schema import NotToml, fit, from_text, make, read_toml
from .keys import Origin, Problem
from .layers import from_environment, from_file, from_flags
from .rules import check_rules
from .sections import KioskConfig


@dataclass(frozen=True)
class ReadResult:
    """What reading found.

    Attributes:
        config: None when a value of it is wrong; it may still lack what the rules ask for.
        origins: full key -> where its value comes from, for those that somebody set.
        problems: errors and warnings.
    """

    path: Path
    config: KioskConfig | None
    origins: Mapping[str, Origin]
    problems: tuple[Problem, ...]

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
        """The same with more problems, each told where its key was set."""
        located = (replace(p, where=self._where(p.key)) for p in problems)
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
    """Everything that can be known without looking at the machine; arguments as for `load_config`."""
    try:
        values, origins, problems, fitting = from_file(path, *read_toml(path))
    except OSError as error:
        hint = f"ls -l {path}" if os.path.exists(path) else f"fer-edge config init {path}"
        unread = Problem("", f"cannot be read ({error.strerror})", hint=hint, where=str(path))
        return ReadResult(path, None, {}, (unread,))
    except NotToml as error:
        where = f"{path}, line {error.line}" if error.line else str(path)
        return ReadResult(path, None, {}, (Problem("", f"is not valid TOML: {error}", where=where),))
    for settings, wrong in (from_environment(environment), from_flags(flags)):
        problems += wrong
        for entry, text, origin in settings:
            try:
                value = fit(entry.hint, entry.key, from_text(entry.hint, text), Path.cwd())
            except ValueError as error:
                problems.append(Problem(entry.full, str(error), where=str(origin)))
                fitting = False
            else:
                values.setdefault(entry.section, {})[entry.name] = value
                origins[entry.full] = origin
    result = ReadResult(path, None, origins, tuple(problems))
    if not fitting:
        return result
    config = make(KioskConfig, values)
    return replace(result, config=config).adding(check_rules(config))
