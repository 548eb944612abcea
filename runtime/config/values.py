"""One value: whether a key may have it, what it may have instead, and how it is written in TOML."""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import date, datetime
from pathlib import Path

from .keys import Entry

SHOWN = 60
"""Characters of a wrong value that an error repeats."""
UNFIT = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's control characters, halves of a pair, and line ends."""


def checked(entry: Entry, value: object, base: Path) -> object:
    """The value as the dataclass takes it.

    Args:
        value: as TOML gives it.
        base: absolute folder that relative paths start from.

    Raises:
        ValueError: with what is allowed and what was given, as the end of a sentence that begins with the key.
    """
    fits = {"bool": _is_bool, "int": _is_int, "float": _is_number, "date | None": _is_date}.get(entry.kind, _is_text)
    if not fits(entry, value):
        raise ValueError(f"must be {allowed(entry)}, not {_shown(entry, value)}")
    if entry.kind == "float":
        return float(value)  # type: ignore[arg-type]  # a number, as checked
    if entry.kind.startswith("Path"):
        return base / str(value) if value else None
    return value


def parsed(entry: Entry, text: str, base: Path) -> object:
    """The value of a text from the environment or a flag; raises ValueError like `checked`."""
    value: object = text
    try:
        if entry.kind in ("int", "float"):
            value = {"int": int, "float": float}[entry.kind](text)
        elif entry.kind == "bool":
            value = {"true": True, "false": False}.get(text.lower(), text)
        elif entry.kind == "date | None":
            value = date.fromisoformat(text)
    except ValueError:
        pass  # the text itself does not fit, and the error shows it
    return checked(entry, value, base)


def allowed(entry: Entry) -> str:
    """What a key may be, in words."""
    about, kind = entry.about, entry.kind
    if about.choices:
        return "one of " + ", ".join(about.choices)
    if kind in ("int", "float"):
        number = "a whole number" if kind == "int" else "a number"
        return f"{number} from {about.least:g} to {_plain(about.most)}" + (f" {about.unit}" if about.unit else "")
    if kind == "str":
        length = f"{about.least:g} to {about.most:g}" if about.least else f"up to {about.most:g}"
        return about.form_words or f"one line of {length} characters"
    words = {"bool": "true or false", "date | None": "a date such as 2026-01-31, without quotes", "Path": "a path"}
    return words.get(kind, 'a path, or "" for none')


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


def masked(text: str) -> str:
    """A URL without what may be a password: the part before @, and the query."""
    if "://" not in text:
        return text
    scheme, rest = text.split("://", 1)
    rest = re.sub(r".*@", "***@", rest)
    return f"{scheme}://" + re.sub(r"\?.*", "?***", rest)


def _is_bool(entry: Entry, value: object) -> bool:
    return isinstance(value, bool)


def _is_int(entry: Entry, value: object) -> bool:
    return isinstance(value, int) and _is_number(entry, value)


def _is_number(entry: Entry, value: object) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and entry.about.least <= value <= entry.about.most  # type: ignore[operator]  # not so for nan


def _is_date(entry: Entry, value: object) -> bool:
    return isinstance(value, date) and not isinstance(value, datetime)


def _is_text(entry: Entry, value: object) -> bool:
    """Of a path only that it is one: whether it is there is a question for another moment."""
    about = entry.about
    if not isinstance(value, str) or any(unicodedata.category(c) in UNFIT for c in value):
        return False
    if entry.kind.startswith("Path"):
        return bool(value) or entry.default is None
    if about.choices:
        return value in about.choices or value == entry.default
    return about.least <= len(value) <= about.most and bool(re.fullmatch(about.form or ".*", value))


def _shown(entry: Entry, value: object) -> str:
    if isinstance(value, (dict, list)):
        return "a table" if isinstance(value, dict) else "a list"
    if not isinstance(value, (str, bool, int, float, date)):
        return str(value)
    text = toml_value(masked(value) if isinstance(value, str) and entry.about.url else value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _plain(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)
