"""On which line of a TOML text each key stands: the parser of the standard library does not tell."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Names = tuple[str, ...]


def lines_of(text: str) -> dict[Names, int]:
    """Key path -> the line, from 1, on which its statement begins; tables count as keys.

    A statement, which may go over several lines, is the least number of lines that is TOML by itself. So the parser
    decides what is a comment, a quoted key or a text that looks like a table.

    Args:
        text: valid TOML.
    """
    found: dict[Names, int] = {}
    table: Names = ()
    for begin, statement, data in _statements(text):
        head = statement.lstrip().startswith("[")
        paths = list(_paths(data or {}, () if head else table))
        table = paths[-1] if head else table
        for path in paths:
            found.setdefault(path, begin)
    return found


def unfinished(text: str) -> int:
    """The line on which the statement begins that goes on to the end of the text and is not TOML; 0 without one."""
    return next((begin for begin, _, data in _statements(text) if data is None), 0)


def _statements(text: str) -> Iterator[tuple[int, str, dict[str, Any] | None]]:
    """First line, text and content of each statement; the last has none when it is not TOML."""
    statement, begin = "", 1
    for number, line in enumerate(text.split("\n"), 1):
        begin = begin if statement else number
        statement += line + "\n"
        try:
            data = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        yield begin, statement, data
        statement = ""
    if statement:
        yield begin, statement, None


def _paths(data: Mapping[str, Any], above: Names) -> Iterator[Names]:
    for name, value in data.items():
        yield (*above, name)
        if isinstance(value, dict):
            yield from _paths(value, (*above, name))
