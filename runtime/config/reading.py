"""Reading: file, then environment, then flags; every problem is gathered before anything is said."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...errors import UsageError
from .keys import Entry
from .layers import Given, Origin, from_environment, from_file, from_flags
from .lines import unfinished
from .problems import Problem
from .rules import relations
from .sections import KioskConfig, entries
from .values import checked, parsed

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class Examined:
    """What reading found.

    Attributes:
        config: None when a value of it is wrong; it may still lack what the relations ask for.
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

    def refusal(self) -> UsageError:
        """The first error, and how many more there are; there must be one."""
        first, more = self.errors[0], len(self.errors) - 1
        hint = first.hint if first.hint and not more else f"fer-edge config check {self.path}"
        return UsageError(f"{first} (and {more} more)" if more else str(first), hint=hint)

    def adding(self, problems: Iterable[Problem]) -> Examined:
        """The same with more problems, each told where its key was set."""
        located = (replace(p, where=self._where(p.key)) for p in problems)
        return replace(self, problems=(*self.problems, *located))

    def _where(self, full: str) -> str:
        return _where(self.path, self.origins.get(full, Origin()))


def load_config(path: Path, environment: Mapping[str, str], flags: Sequence[str] = ()) -> KioskConfig:
    """The configuration, if it can be started with.

    Args:
        environment: such as os.environ; FER_EDGE_MQTT_HOST sets `mqtt.host`.
        flags: as `mqtt.host=broker`.

    Raises:
        UsageError: the first error with its file and line, and how many more there are.
    """
    examined = examine(path, environment, flags)
    if examined.config is None or examined.errors:
        raise examined.refusal()
    return examined.config


def examine(path: Path, environment: Mapping[str, str], flags: Sequence[str] = ()) -> Examined:
    """Everything that can be known without looking at the machine; arguments as for `load_config`."""
    read = _read(path)
    if isinstance(read, Problem):
        return Examined(path, None, {}, (read,))
    known = entries()
    layers = [from_file(path, *read, known), from_environment(environment, known), from_flags(flags, known)]
    problems = [problem for _, found in layers for problem in found]
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    unfit: list[Problem] = []
    for given in (given for layer, _ in layers for given in layer):
        full = given.entry.full
        try:
            values[full] = _value(given, path)
            origins[full] = given.origin
        except ValueError as error:
            unfit.append(Problem(full, str(error), where=_where(path, given.origin)))
    examined = Examined(path, None, origins, (*problems, *unfit))
    if unfit:
        return examined
    config = _assemble(values, known)
    return replace(examined, config=config).adding(relations(config))


def _read(path: Path) -> tuple[str, dict[str, Any]] | Problem:
    """The file's text, and the same parsed; or why not."""
    text = ""
    try:
        text = path.read_text(encoding="utf-8") + "\n"  # without it the parser names no line for the last one
        return text, tomllib.loads(text)
    except OSError as error:
        hint = f"ls -l {path}" if os.path.exists(path) else f"fer-edge config init {path}"
        return Problem("", f"cannot be read ({error.strerror})", hint=hint, where=str(path))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        found = re.search(r"\(at line (\d+)", str(error))
        line = found[1] if found else isinstance(error, tomllib.TOMLDecodeError) and unfinished(text)
        return Problem("", f"is not valid TOML: {error}", where=f"{path}, line {line}" if line else str(path))


def _value(given: Given, path: Path) -> object:
    """Relative paths start from the file's folder, or from here when a variable or flag has them."""
    if given.origin.layer == "file":
        return checked(given.entry, given.value, path.absolute().parent)
    return parsed(given.entry, str(given.value), Path.cwd())


def _assemble(values: Mapping[str, Any], known: Mapping[str, Entry]) -> KioskConfig:
    config = KioskConfig()
    for section in vars(config):
        mine = {e.name: values[e.full] for e in known.values() if e.section == section and e.full in values}
        config = replace(config, **{section: replace(getattr(config, section), **mine)})
    return config


def _where(path: Path, origin: Origin) -> str:
    if origin.layer == "file":
        return f"{path}, line {origin.line}"
    return str(path) if origin.layer == "default" else str(origin)
