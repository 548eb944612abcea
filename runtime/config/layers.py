"""The three places that a value may come from; each gives what was said there, and what it could not understand."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .keys import PREFIX, Entry
from .lines import lines_of
from .problems import Problem, nearest


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


@dataclass(frozen=True)
class Given:
    """A value as it was given: of TOML's kind from a file, a text otherwise."""

    entry: Entry
    value: object
    origin: Origin


Layer = tuple[list[Given], list[Problem]]


def from_file(path: Path, text: str, data: Mapping[str, Any], known: Mapping[str, Entry]) -> Layer:
    """What a TOML file says: its text, and the same parsed."""
    lines = lines_of(text)
    given: list[Given] = []
    problems: list[Problem] = []
    for section, body in data.items():
        line = lines.get((section,), 0)
        if wrong := _section_wrong(section, body, known):
            problems.append(Problem("", wrong, where=f"{path}, line {line}"))
            continue
        for name, value in body.items():
            line = lines.get((section, name), line)
            entry = known.get(f"{section}.{name}")
            if entry is None:
                where = f"{path}, line {line}"
                problems.append(Problem(f"{section}.{name}", _unknown(section, name, known), where=where))
            else:
                given.append(Given(entry, value, Origin("file", line)))
    return given, problems


def from_environment(environment: Mapping[str, str], known: Mapping[str, Entry]) -> Layer:
    """What variables such as FER_EDGE_MQTT_HOST say; others that begin so and resemble none are left alone."""
    variables = {entry.variable: entry for entry in known.values()}
    sections = {entry.section for entry in known.values()}
    given: list[Given] = []
    problems: list[Problem] = []
    for name in sorted(n for n in environment if n.startswith(PREFIX)):
        ours = name.removeprefix(PREFIX).split("_")[0].lower() in sections
        if name in variables:
            given.append(Given(variables[name], environment[name], Origin("environment", name=name)))
        elif ours or difflib.get_close_matches(name, variables, n=1, cutoff=0.85):
            what = "is the variable of no key" + nearest(name, variables)
            problems.append(Problem("", what, where=f"environment {name}"))
    return given, problems


def from_flags(flags: Sequence[str], known: Mapping[str, Entry]) -> Layer:
    """What flags such as `mqtt.host=broker` say; of two for one key the last counts."""
    given: list[Given] = []
    problems: list[Problem] = []
    for flag in flags:
        full, equals, value = flag.partition("=")
        full = full.strip()
        if full in known and equals:
            given.append(Given(known[full], value, Origin("flag", name=f"--set {full}")))
        elif full in known:
            problems.append(Problem(full, f"has no value: --set {full}=VALUE", where=f"flag --set {flag}"))
        else:
            problems.append(Problem("", f"{full} is no key{nearest(full, known)}", where=f"flag --set {full}"))
    return given, problems


def _section_wrong(section: str, body: Any, known: Mapping[str, Entry]) -> str:
    """What is wrong with something that stands at the top of the file; empty when it is a section."""
    sections = dict.fromkeys(entry.section for entry in known.values())
    if section not in sections:
        if isinstance(body, dict):
            return f"[{section}] is no section{nearest(section, sections, '[{}]')}"
        homes = [entry.section for entry in known.values() if entry.name == section]
        return f"{section} stands in no section" + (f"; it belongs below [{homes[0]}]" if homes else "")
    return "" if isinstance(body, dict) else f"{section} must be a table, [{section}]"


def _unknown(section: str, name: str, known: Mapping[str, Entry]) -> str:
    homes = [entry.section for entry in known.values() if entry.name == name]
    here = [entry.name for entry in known.values() if entry.section == section]
    near = nearest(name, here) or (f"; {name} belongs below [{homes[0]}]" if homes else "")
    return f"is not a key of [{section}]{near}"
