"""One value: whether a key may have it, what it may have instead, and how it is kept."""

from __future__ import annotations

import collections.abc
import re
import types
import unicodedata
from dataclasses import is_dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Union, get_args, get_origin, is_typeddict

from .keys import ANY, Key
from .text import toml_value

SHOWN = 60
"""Characters of a wrong value that an error repeats."""
UNFIT = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's control characters, halves of a pair, and line ends."""
WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", Path: "a path"}
MANY = {str: "texts", int: "whole numbers", float: "numbers"}


def fit(hint: Any, key: Key, value: object, base: Path | None = None) -> Any:
    """One value as it is kept; raises ValueError with the end of a sentence that begins with the key."""
    if not fits(hint, value) or not _within(hint, key, value):
        raise ValueError(f"must be {allowed(hint, key)}{instead(key, value)}")
    hint = inner_of(hint)
    if hint is Path:
        return (base or Path()) / str(value) if value else None
    value = float(value) if hint is float else value  # type: ignore[arg-type]  # a number, as checked
    return key.convert(value) if key.convert else value


def from_text(hint: Any, text: str) -> object:
    """A text of the environment or a flag as TOML would give it; the text itself where it does not fit."""
    try:
        if hint is bool:
            return {"true": True, "false": False}.get(text.lower(), text)
        if hint in (int, float):
            return hint(text)
        return date.fromisoformat(text) if inner_of(hint) is date else text
    except ValueError:
        return text


def allowed(hint: Any, key: Key) -> str:
    """What a key may be, in words."""
    if key.choices:
        return "one of " + ", ".join(key.choices)
    if get_origin(hint) is tuple:
        inner = get_args(hint)[0]
        return f"a list of {key.words or MANY.get(inner, 'tables')}"
    if key.words:
        return key.words
    if hint in (int, float) and key is not ANY:
        numbers = f"{WORDS[hint]} from {key.minimum:g} to {_plain(key.maximum)}"
        return f"{numbers} {key.unit}".rstrip()
    if hint is str and key is not ANY:
        length = f"{key.minimum:g} to {key.maximum:g}" if key.minimum else f"up to {key.maximum:g}"
        return f"one line of {length} characters"
    if inner_of(hint) is date:
        return "a date such as 2026-01-31, without quotes"
    return WORDS.get(hint, 'a path, or "" for none' if inner_of(hint) is Path else "a table")


def fits(hint: Any, value: object) -> bool:
    """Whether a value is of a type; of tables only that it is one."""
    hint = inner_of(hint)
    if get_origin(hint) is tuple:
        return isinstance(value, (list, tuple)) and all(fits(get_args(hint)[0], v) for v in value)
    if hint is date:
        return isinstance(value, date) and not isinstance(value, datetime)
    if is_table(hint):
        return isinstance(value, dict)
    kinds: Any = {float: (int, float), Path: str, Any: object}.get(hint, hint)
    return isinstance(value, kinds) and (hint in (bool, Any) or not isinstance(value, bool))


def _within(hint: Any, key: Key, value: Any) -> bool:
    """Whether a value of the right type is in its bounds."""
    if key is ANY:
        return True
    if key.choices:
        return value in key.choices or value == key.unset
    if hint in (int, float):
        return bool(key.minimum <= value <= key.maximum)  # not so for nan
    if not isinstance(value, str):
        return True
    if any(unicodedata.category(c) in UNFIT for c in value):
        return False
    if inner_of(hint) is Path:
        return bool(value) or hint is not Path
    return key.minimum <= len(value) <= key.maximum and bool(re.fullmatch(key.pattern or ".*", value))


def is_table(hint: Any) -> bool:
    """Whether a type is that of a table: a dataclass, TypedDict or Mapping."""
    return is_dataclass(hint) or is_typeddict(hint) or get_origin(hint) is collections.abc.Mapping


def inner_of(hint: Any) -> Any:
    """The type that an optional value has when it is there."""
    if get_origin(hint) in (Union, types.UnionType):
        return next(inner for inner in get_args(hint) if inner is not types.NoneType)
    return hint


def instead(key: Key, value: object) -> str:
    """`, not 5`: what was given, cut short, as far as it may be shown."""
    if isinstance(value, (dict, list)):
        return ", not a table" if isinstance(value, dict) else ", not a list"
    if key.show:
        value = key.show(str(value))
        if not value:
            return ""
    text = toml_value(value) if isinstance(value, (str, bool, int, float, date)) else str(value)
    return f", not {text if len(text) <= SHOWN else text[: SHOWN - 1] + '…'}"


def _plain(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)
