"""A configuration as a person reads it: what is in effect and why, and the file to begin with."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from datetime import date
from types import MappingProxyType
from typing import Any

from ...toml_schema import allowed, toml_value
from .declaration import ARTICLE, NO_ADVICE
from .keys import Entry, Origin, entries, section_lines, tables_of
from .sections import KioskConfig, Place


def effective_toml(config: KioskConfig, origins: Mapping[str, Origin]) -> str:
    """What is in effect, as TOML; behind every value that somebody set, who did."""
    parts = []
    for section in section_lines():
        tables = tables_of(config, section)
        for number, table in enumerate(tables):
            several = len(tables) > 1
            lines = [f"[[{section}]]" if several else f"[{section}]"]
            for entry in _keys_of(section):
                full = f"{section}[{number}].{entry.name}" if several else entry.full
                value = _public(table, entry)
                origin = f"  # from {origins[full]}" if full in origins else ""
                unset = entry.hint == date | None and value is None
                lines.append(f"# {entry.name} is not set" if unset else f"{entry.name} = {toml_value(value)}{origin}")
            parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def effective_json(config: KioskConfig, origins: Mapping[str, Origin]) -> dict[str, Any]:
    """The same for programs: `values` by section and key, of several cameras a list of such; `origins` by full key."""
    values: dict[str, Any] = {}
    for section in section_lines():
        tables = [
            {entry.name: _plain(_public(table, entry)) for entry in _keys_of(section)}
            for table in tables_of(config, section)
        ]
        values[section] = tables[0] if len(tables) == 1 else tables
    return {"values": values, "origins": {full: {k: v for k, v in vars(o).items() if v} for full, o in origins.items()}}


def first_toml(place: Place, given: Mapping[str, object] = MappingProxyType({})) -> str:
    """A file with the declaration, values by full key, and every other key with its default, commented out."""
    parts = [_HEAD]
    for section, line in section_lines().items():
        law = _commented(f"{ARTICLE}; {NO_ADVICE}.") if section == "place" else []
        keys = [line for entry in _keys_of(section) for line in _first_lines(entry, place, given)]
        heading = f"[{section}]" if tables_of(KioskConfig(), section) else f"#[[{section}]]"
        parts.append("\n".join([f"# {line}", *law, heading, *keys]))
    return "\n\n".join(parts) + "\n"


_HEAD = """\
# fer-edge's configuration, read by `fer-edge run --config`. A line that begins with # is a default; take the # away to
# change it. FER_EDGE_MQTT_HOST in the environment or --set mqtt.host=NAME come before what is written here.
# Relative paths start from the folder of this file. See docs/config.md, and `fer-edge config check`."""


def _commented(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, 118)]


def _first_lines(entry: Entry, place: Place, given: Mapping[str, object]) -> Iterator[str]:
    yield from _commented(f"{entry.key.doc} ({allowed(entry.hint, entry.key)})")
    value = getattr(place, entry.name) if entry.section == "place" else given.get(entry.full, entry.default)
    stated = value != entry.default
    shown = date(2026, 1, 31) if entry.hint == date | None and value is None else value
    yield f"{'' if stated else '#'}{entry.name} = {toml_value(shown)}"


def _keys_of(section: str) -> list[Entry]:
    return [entry for entry in entries().values() if entry.section == section]


def _public(table: object, entry: Entry) -> Any:
    value = getattr(table, entry.name)
    return entry.key.show(value) if entry.key.show else value


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
