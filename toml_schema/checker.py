"""A table against a dataclass: what fits is kept, everything that does not is gathered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, is_typeddict

from .text import Names, lines_of
from .values import ANY, Fault, Key, fields_of, fit, fits, is_table

T = TypeVar("T")


def build(
    kind: type[T], data: Mapping[str, Any], text: str = "", *, whole: str, wrong: Callable[[Fault], Exception]
) -> T:
    """Make a dataclass of a mapping; arguments as for `check`. Raises `wrong` of the first fault."""
    values, faults = check(kind, data, text, whole)
    if faults:
        raise wrong(faults[0])
    return make(kind, values)


def check(
    kind: Any, data: Mapping[str, Any], text: str = "", whole: str = "the file", base: Path | None = None
) -> tuple[dict[str, Any], list[Fault]]:
    """The values that fit, as the dataclass takes them but in plain tables; and every fault.

    Args:
        text: what `data` was parsed from, for the lines of faults.
        whole: what `data` is, in words, such as "a device".
        base: folder that relative paths start from.
    """
    faults: list[Fault] = []
    values = _Reader(whole, base or Path(), faults).table((), kind, data)
    if not faults or not text:
        return values, faults
    lines = lines_of(text)
    return values, [replace(fault, line=_line(fault.keys, lines)) for fault in faults]


def make(kind: type[T], values: Mapping[str, Any]) -> T:
    """A dataclass of values that `check` gave; those of nested tables too."""
    known = fields_of(kind)  # type: ignore[arg-type]  # a class can be hashed
    return kind(**{name: _made(known[name].hint, value) for name, value in values.items()})


def nearest(word: str, known: Iterable[str], form: str = "{}") -> str:
    """`; did you mean host?`, or nothing when nothing known is near."""
    import difflib

    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {form.format(near[0])}?" if near else ""


class _Reader:
    """Goes through tables and gathers what is wrong."""

    def __init__(self, whole: str, base: Path, faults: list[Fault]) -> None:
        self.whole, self.base, self.faults = whole, base, faults

    def table(self, at: Names, kind: Any, data: Mapping[str, Any]) -> dict[str, Any]:
        """The values that fit, by name."""
        known = fields_of(kind)
        values = {}
        for name, value in data.items():
            if name in known:
                field = known[name]
                before = len(self.faults)
                found = self.value((*at, name), field.hint, field.key, value)
                if len(self.faults) == before or is_dataclass(field.hint) or (field.key.lone and found is not None):
                    values[name] = found
            else:
                self.unknown((*at, name), known)
        lacking = [f.name for f in known.values() if f.default is MISSING and f.name not in data]
        if lacking:
            self.faults.append(Fault(at, f"lacks {', '.join(lacking)}", "missing"))
        return values

    def value(self, at: Names, hint: Any, key: Key, value: Any) -> Any:
        """What is kept of a value; of one that does not fit, nothing of use."""
        kind, args = get_origin(hint), get_args(hint)
        if kind is tuple and key.lone and isinstance(value, dict):
            return (self.value(at, args[0], ANY, value),)
        if kind is tuple and fits(hint, value):
            if is_table(args[0]):
                return tuple(self.value((*at, i), args[0], key, inner) for i, inner in enumerate(value))
            return tuple(self.scalar(at, args[0], key, inner, "hold") for inner in value)
        if not is_table(hint):
            return self.scalar(at, hint, key, value)
        if not isinstance(value, dict):
            self.faults.append(Fault(at, f"must be a table, {_heading(at)}"))
            return {}
        if is_dataclass(hint) or is_typeddict(hint):
            return self.table(at, hint, value)
        for name in value:
            if key.names and name not in key.names:
                self.unknown((*at, name), key.names)
        inner = args[1] if args else Any
        return {n: v if inner is Any else self.value((*at, n), inner, ANY, v) for n, v in value.items()}

    def scalar(self, at: Names, hint: Any, key: Key, value: Any, verb: str = "be") -> Any:
        """A value that is no table."""
        try:
            return fit(hint, key, value, self.base)
        except ValueError as error:
            self.faults.append(Fault(at, str(error).replace("must be", f"must {verb}", 1)))
            return None

    def unknown(self, at: Names, known: Iterable[str]) -> None:
        """A key that is not known."""
        where = _heading(at[:-1]) or self.whole
        self.faults.append(Fault(at, f"is not a key of {where}{nearest(str(at[-1]), known)}", "unknown"))


def _made(hint: Any, value: Any) -> Any:
    if is_dataclass(hint):
        return make(hint, value)  # type: ignore[arg-type]  # a class, as hints are
    if get_origin(hint) is tuple:
        return tuple(_made(get_args(hint)[0], inner) for inner in value)
    return value


def _line(keys: Names, lines: Mapping[Names, int]) -> int:
    """Of the key, or of the nearest table around it that has one."""
    return next((lines[keys[:end]] for end in range(len(keys), 0, -1) if keys[:end] in lines), 1)


def _heading(table: Names) -> str:
    """`[mqtt]` or `[[pairs]]`: how a table is begun; nothing for the whole."""
    names = ".".join(str(k) for k in table if isinstance(k, str))
    if not names:
        return ""
    return f"[[{names}]]" if isinstance(table[-1], int) else f"[{names}]"
