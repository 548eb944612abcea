"""The three places that a value may come from; each gives what was said there, and what it could not understand."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...toml_schema import Fault, check, lines_of, nearest
from .keys import PREFIX, Entry, Origin, Problem, entries
from .sections import KioskConfig

Setting = tuple[Entry, str, Origin]
"""A key's value as the text that a variable or flag has."""
Values = dict[str, Any]
"""Section -> name -> value; of a section that may be there several times, a tuple of such."""


def from_file(path: Path, text: str, data: Mapping[str, Any]) -> tuple[Values, dict[str, Origin], list[Problem], bool]:
    """What a TOML file says, checked: values, where each stands, problems, and whether every value fits.

    Args:
        path: relative paths in it start from its folder.
        text: what `data` was parsed from.
    """
    values, faults = check(KioskConfig, data, text, base=path.absolute().parent)
    lines = lines_of(text)
    origins: dict[str, Origin] = {}
    for section, body in values.items():
        if not isinstance(body, tuple):
            origins |= {f"{section}.{name}": Origin("file", lines[section, name]) for name in body}
            continue
        for number, table in enumerate(body):
            at = (section, number) if isinstance(data[section], list) else (section,)
            whole = f"{section}[{number}]" if len(body) > 1 else section
            origins |= {f"{whole}.{name}": Origin("file", lines[(*at, name)]) for name in table}
    problems = [_problem(path, fault, data) for fault in faults]
    return values, origins, problems, not any(f.kind == "wrong" and len(f.keys) > 1 for f in faults)


def from_environment(environment: Mapping[str, str]) -> tuple[list[Setting], list[Problem]]:
    """What variables such as FER_EDGE_MQTT_HOST say; others that begin so and resemble none are left alone."""
    variables = {entry.variable: entry for entry in entries().values()}
    sections = {entry.section for entry in entries().values()}
    settings: list[Setting] = []
    problems: list[Problem] = []
    for name in sorted(n for n in environment if n.startswith(PREFIX)):
        ours = name.removeprefix(PREFIX).split("_")[0].lower() in sections
        if name in variables:
            settings.append((variables[name], environment[name], Origin("environment", name=name)))
        elif ours or difflib.get_close_matches(name, variables, n=1, cutoff=0.85):
            what = "is the variable of no key" + nearest(name, variables)
            problems.append(Problem("", what, where=f"environment {name}"))
    return settings, problems


def from_flags(flags: Sequence[str]) -> tuple[list[Setting], list[Problem]]:
    """What flags such as `mqtt.host=broker` say; of two for one key the last counts."""
    known = entries()
    settings: list[Setting] = []
    problems: list[Problem] = []
    for flag in flags:
        full, equals, value = flag.partition("=")
        full = full.strip()
        if full in known and equals:
            settings.append((known[full], value, Origin("flag", name=f"--set {full}")))
        elif full in known:
            problems.append(Problem(full, f"has no value: --set {full}=VALUE", where=f"flag --set {flag}"))
        else:
            problems.append(Problem("", f"{full} is no key{nearest(full, known)}", where=f"flag --set {full}"))
    return settings, problems


def _problem(path: Path, fault: Fault, data: Mapping[str, Any]) -> Problem:
    """A fault in the words of this file; of an unknown name also where it would be right."""
    where = f"{path}, line {fault.line}"
    section, name = str(fault.keys[0]), str(fault.keys[-1])
    alone = isinstance(data[section], list) and len(data[section]) == 1
    full = fault.name.replace("[0]", "", 1) if alone else fault.name
    if fault.kind != "unknown":
        return Problem(full, fault.what, where=where)
    sections = list(dict.fromkeys(entry.section for entry in entries().values()))
    if len(fault.keys) == 1 and isinstance(data[section], dict):
        return Problem("", f"[{section}] is no section{nearest(section, sections, '[{}]')}", where=where)
    homes = [entry.section for entry in entries().values() if entry.name == name]
    if len(fault.keys) == 1:
        what = f"{name} stands in no section" + (f"; it belongs below [{homes[0]}]" if homes else "")
        return Problem("", what, where=where)
    home = f"; {name} belongs below [{homes[0]}]" if homes and "did you mean" not in fault.what else ""
    return Problem(full, fault.what + home, where=where)
