"""What a profile's TOML may hold; every complaint names the file and the line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import UsageError
from .compatibility import ROW_KEYS

ISOLATIONS = ("none", "process")
IDS = re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}")
FIGURE_KEYS = ("model", "mean_ms", "source", "fps")
"""Of a published figure; all but the last must be there."""


def check(path: Path, text: str, data: Mapping[str, Any], kinds: Mapping[str, str], required: Iterable[str]) -> None:
    """Check every key and value of a profile.

    Args:
        kinds: key -> annotation of the Profile's field, such as `tuple[str, ...]`.
        required: keys that must be there.

    Raises:
        UsageError: with file and line.
    """
    for key, value in data.items():
        if key not in kinds:
            raise wrong(path, _line(text, key), key, f"is not a key of a device{_near(key, kinds)}")
        if not _fits(kinds[key], value):
            raise wrong(path, _line(text, key), key, f"must be {_words(kinds[key])}, not {value!r}")
    missing = [name for name in required if name not in data]
    if missing:
        template = Path(__file__).parent / "profiles" / "cpu.toml"
        raise UsageError(f"{path} lacks {', '.join(missing)}", hint=f"compare it with {template}")
    _check_values(path, text, data)
    for table, rows in (("pairs", data.get("pairs", [])), ("published", data.get("published", []))):
        for index, row in enumerate(rows):
            _check_row(path, text, table, index, row)


def _check_values(path: Path, text: str, data: Mapping[str, Any]) -> None:
    """What a type cannot say: a choice, the form of ids, paths below the root."""
    if data["isolation"] not in ISOLATIONS:
        raise wrong(path, _line(text, "isolation"), "isolation", f"must be one of {', '.join(ISOLATIONS)}")
    for key in ("usb", "pci"):
        for ids in data.get(key, ()):
            if not IDS.fullmatch(ids):
                raise wrong(path, _line(text, key), key, f"must hold ids such as 18d1:9302 in small hex, not {ids!r}")
    for key in ("nodes", "driver"):
        for name in data.get(key, ()):
            if not name or name.startswith("/"):
                raise wrong(path, _line(text, key), key, f"must hold paths below /, without the first stroke: {name!r}")


def _check_row(path: Path, text: str, table: str, index: int, row: Mapping[str, Any]) -> None:
    """One row of `[[pairs]]` or `[[published]]`."""
    keys = ROW_KEYS if table == "pairs" else FIGURE_KEYS
    for key, value in row.items():
        line = _line(text, key, table, index)
        if key not in keys:
            raise wrong(path, line, key, f"is not a key of [[{table}]]{_near(key, keys)}")
        if key in ("mean_ms", "fps"):
            if not _positive(value):
                raise wrong(path, line, key, f"must be a number above 0, not {value!r}")
        elif not isinstance(value, str):
            raise wrong(path, line, key, f"must be a text, not {value!r}")
    missing = [key for key in FIGURE_KEYS[:3] if key not in row] if table == "published" else []
    if missing:
        raise wrong(path, _line(text, "", table, index), f"[[{table}]]", f"lacks {', '.join(missing)}")


def _positive(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0


def wrong(path: Path, line: int, key: str, what: str) -> UsageError:
    """The error for one key."""
    return UsageError(f"{path}, line {line}: {key} {what}", hint=f"mend {path}")


def _line(text: str, key: str, table: str = "", index: int = 0) -> int:
    """Where a key stands, in the `index`-th `[[table]]` if one is named; that table's own line when it is not found.

    A table written inline, `pairs = [{...}]`, counts as one line.
    """
    lines = text.splitlines()
    start = 0
    if table:
        heads = [i for i, line in enumerate(lines) if re.match(rf"\s*\[\[\s*\"?{table}\"?\s*\]\]", line)]
        inline = [i for i, line in enumerate(lines) if re.match(rf"\s*\"?{table}\"?\s*=", line)]
        start = heads[index] if index < len(heads) else (inline or [0])[0]
    pattern = re.compile(rf"\s*(\[+\s*)?[\"']?{re.escape(key)}[\"']?\s*[=.\]]")
    found = (number for number, line in enumerate(lines[start:], start + 1) if key and pattern.match(line))
    return next(found, start + 1)


def _near(key: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(key, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _fits(kind: str, value: object) -> bool:
    """Whether a TOML value is of the kind that an annotation names."""
    if kind.startswith("tuple[Mapping"):
        return isinstance(value, list) and all(isinstance(v, dict) for v in value)
    if kind.startswith("tuple"):
        return isinstance(value, list) and all(isinstance(v, str) for v in value)
    if kind.startswith("Mapping"):
        return isinstance(value, dict)
    return isinstance(value, {"str": str, "int": int}[kind]) and not isinstance(value, bool)


def _words(kind: str) -> str:
    if kind.startswith("tuple[Mapping"):
        return "a list of tables"
    if kind.startswith("tuple"):
        return "a list of texts"
    return {"str": "a text", "int": "a whole number"}.get(kind, "a table")
