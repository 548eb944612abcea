"""TOML as text: read it, find the line of each key, write one value."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from ..files import NotText, read_text

MAX_FAULTS = 20
"""Lines that are not TOML, after which no further ones are looked for: it is another kind of file."""
Names = tuple[str | int, ...]
"""The way to a key: names of tables, and the index in a list of tables."""


class NotToml(ValueError):
    """A text that is not TOML, and the line where that shows; 0 when it is not known."""

    def __init__(self, what: str, line: int = 0) -> None:
        super().__init__(what)
        self.line = line


def read_toml(path: Path) -> tuple[str, dict[str, Any]]:
    """The text of a file, and the same parsed; raises OSError, NotToml."""
    try:
        text = read_text(path).replace("\r\n", "\n") + "\n"  # without it the parser names no line for the last one
    except NotText as error:
        raise NotToml(f"the file {error}") from None
    return text, parse_toml(text)


def parse_toml(text: str) -> dict[str, Any]:
    """A whole text; raises NotToml."""
    import re

    loads, broken = _parser()
    try:
        return loads(text)
    except broken as error:
        found = re.search(r"\(at line (\d+)", str(error))
        line = int(found[1]) if found else next((n for n, _, data in _statements(text) if data is None), 0)
        raise NotToml(str(error), line) from None
    except RecursionError as error:
        raise NotToml(str(error)) from None


def salvaged(text: str) -> tuple[str, list[NotToml]]:
    """What is left of a text without the lines that are not TOML, and what is wrong with each.

    Where the rest cannot be trusted, because a heading is among them or no line can be found, it is "".
    """
    faults: list[NotToml] = []
    headless = False
    lines = text.split("\n")
    while len(faults) < MAX_FAULTS:
        text = "\n".join(lines)
        try:
            parse_toml(text)
            return "" if headless else text, faults
        except NotToml as error:
            faults.append(error)
            unread = next((begin for begin, _, data in _statements(text) if data is None), error.line)
            if not 0 < unread <= len(lines) or not lines[unread - 1]:
                break
            headless = headless or lines[unread - 1].lstrip().startswith("[")
            lines[unread - 1] = ""
    return "", faults


def lines_of(text: str) -> dict[Names, int]:
    """Key path -> the line, from 1, on which its statement begins; tables and rows of `[[lists]]` count as keys.

    A statement, which may go over several lines, is the least number of lines that is TOML by itself. So the parser
    decides what is a comment, a quoted key or a text that looks like a table.

    Args:
        text: valid TOML.
    """
    found: dict[Names, int] = {}
    rows: dict[Names, int] = {}
    table: Names = ()
    for begin, statement, data in _statements(text):
        if statement.lstrip().startswith("["):
            table = _head(data or {}, rows)
            paths = [table[:end] for end in range(1, len(table) + 1)]
        else:
            paths = list(_paths(data or {}, table))
        for path in paths:
            found.setdefault(path, begin)
    return found


def toml_value(value: object) -> str:
    """A value as TOML writes it; None is "", as a path that is not set."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, date):
        return value.isoformat()
    text = "" if value is None else str(value)
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _parser() -> tuple[Callable[[str], dict[str, Any]], type[ValueError]]:
    """`loads` and its error; imported late, since most of fer-edge reads no TOML."""
    import sys

    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads, tomllib.TOMLDecodeError


def _statements(text: str) -> Iterator[tuple[int, str, dict[str, Any] | None]]:
    """First line, text and content of each statement; the last has none when it is not TOML."""
    loads, broken = _parser()
    statement, begin = "", 1
    for number, line in enumerate(text.split("\n"), 1):
        begin = begin if statement else number
        statement += line + "\n"
        try:
            data = loads(statement)
        except broken:
            continue
        yield begin, statement, data
        statement = ""
    if statement:
        yield begin, statement, None


def _head(data: Mapping[str, Any], rows: dict[Names, int]) -> Names:
    """Where a `[table]` or `[[row]]` leads; `rows` counts the rows of each list so far."""
    at: Names = ()
    inner: Any = data
    while inner:
        ((name, inner),) = inner.items()
        at = (*at, name)
        if isinstance(inner, list):
            rows[at] = rows.get(at, -1) + 1
            inner = inner[0]
        if at in rows:
            at = (*at, rows[at])
    return at


def _paths(value: Any, above: Names) -> Iterator[Names]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for name, inner in pairs:
        if isinstance(value, list) and not isinstance(inner, dict):
            continue
        yield (*above, name)
        if isinstance(inner, (dict, list)):
            yield from _paths(inner, (*above, name))
