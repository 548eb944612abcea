"""What a key of a table may hold, as its dataclass says; whether a value fits, and how it is kept."""

from __future__ import annotations

import collections.abc
import re
import types
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints, is_typeddict

from .text import Names, toml_value

T = TypeVar("T")


@dataclass(frozen=True)
class Key:
    """What a key may hold beside its type, and what is said of it; on a list it speaks of each element.

    Attributes:
        doc: one line, beginning small.
        unit: of a number, in words.
        low, high: of a number, both allowed; of a text, which is then one line, its length in characters.
        choices: the only texts allowed, beside the default `unset`.
        pattern, words: a regular expression for a whole text; what may be there, in words.
        names: the only names in a table that has no class of its own.
        convert: makes of a value that fits what is kept; raises ValueError with the end of a sentence.
        show: how a value is shown to people; the empty text: not at all.
        reload: a running kiosk takes a new value at SIGHUP; others need a restart.
        secret_file: the file that a path names holds a secret.
        lone: of a list of tables, `[[name]]`; one of them may be written as `[name]`.
    """

    doc: str = ""
    unit: str = ""
    low: float = 0
    high: float = 200
    choices: tuple[str, ...] = ()
    unset: object = None
    pattern: str = ""
    words: str = ""
    names: tuple[str, ...] = ()
    convert: Callable[[Any], Any] | None = None
    show: Callable[[str], str] | None = None
    reload: bool = False
    secret_file: bool = False
    lone: bool = False


ANY = Key(high=float("inf"))
"""Of a field about which nothing is said; its texts may have several lines."""
DERIVED = {"key": None}
"""Metadata of a dataclass field that no file sets."""


@dataclass(frozen=True)
class Field:
    """One key of a table: `hint` is its type, `default` MISSING when it must be there."""

    name: str
    hint: Any
    default: object
    key: Key


@dataclass(frozen=True)
class Fault:
    """What is wrong at one key.

    Attributes:
        keys: the way to it; empty for the whole.
        what: the end of a sentence that begins with the key.
        kind: unknown (no such key), missing (keys that a table lacks) or wrong (its value).
        line: in the text, from 1; 0 when there is none.
    """

    keys: Names
    what: str
    kind: str = "wrong"
    line: int = 0

    @property
    def name(self) -> str:
        """The key as `web.port` or `artifacts[0].path`."""
        return "".join(f"[{k}]" if isinstance(k, int) else f".{k}" for k in self.keys).lstrip(".")


def key(default: T, doc: str = "", unit: str = "", *, repr: bool = True, **more: Any) -> T:
    """A dataclass field that is a key; `more` is what `Key` takes."""
    return field(default=default, repr=repr, metadata=about(doc, unit=unit, unset=default, **more))


def about(doc: str = "", **more: Any) -> Mapping[str, Key]:
    """The same as a dataclass field's metadata, for a key that must be there."""
    return {"key": Key(doc, **more)}


@cache
def fields_of(kind: Any) -> dict[str, Field]:
    """The keys of a dataclass or TypedDict, in order."""
    hints = get_type_hints(kind, include_extras=True)
    if is_typeddict(kind):
        found = {n: Field(n, h, MISSING if n in kind.__required_keys__ else None, ANY) for n, h in hints.items()}
        split = {n: get_args(f.hint) for n, f in found.items() if get_origin(f.hint) is Annotated}
        return found | {n: replace(found[n], hint=hint, key=key) for n, (hint, key) in split.items()}
    known = [f for f in fields(kind) if f.metadata.get("key", ANY) is not None]
    defaults = {f.name: f.default if f.default_factory is MISSING else None for f in known}
    return {f.name: Field(f.name, hints[f.name], defaults[f.name], f.metadata.get("key", ANY)) for f in known}


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
        numbers = f"{WORDS[hint]} from {key.low:g} to {_plain(key.high)}"
        return f"{numbers} {key.unit}".rstrip()
    if hint is str and key is not ANY:
        length = f"{key.low:g} to {key.high:g}" if key.low else f"up to {key.high:g}"
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
        return bool(key.low <= value <= key.high)  # not so for nan
    if not isinstance(value, str):
        return True
    if any(unicodedata.category(c) in UNFIT for c in value):
        return False
    if inner_of(hint) is Path:
        return bool(value) or hint is not Path
    return key.low <= len(value) <= key.high and bool(re.fullmatch(key.pattern or ".*", value))


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
