"""What a table may hold: the fields of a dataclass, their type hints, and what is said of each beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import cache
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints, is_typeddict

from .text import Names

T = TypeVar("T")


@dataclass(frozen=True)
class Key:
    """What a key may hold beside its type, and what is said of it; on a list it speaks of each element.

    Attributes:
        doc: one line, beginning small.
        unit: of a number, in words.
        minimum, maximum: of a number, both allowed; of a text, which is then one line, its length in characters.
        choices: the only texts allowed, beside the default `unset`.
        pattern, words: a regular expression for a whole text; what may be there, in words.
        names: the only names in a table that has no class of its own.
        convert: makes of a value that fits what is kept; raises ValueError with the end of a sentence.
        show: how a value is shown to people; the empty text: not at all.
        reload: a running kiosk takes a new value at SIGHUP; others need a restart.
        secret_file: the file that a path names holds a secret.
    """

    doc: str = ""
    unit: str = ""
    minimum: float = 0
    maximum: float = 200
    choices: tuple[str, ...] = ()
    unset: object = None
    pattern: str = ""
    words: str = ""
    names: tuple[str, ...] = ()
    convert: Callable[[Any], Any] | None = None
    show: Callable[[str], str] | None = None
    reload: bool = False
    secret_file: bool = False


ANY = Key(maximum=float("inf"))
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


def key(default: T, doc: str = "", **more: Any) -> T:
    """A dataclass field that is a key; `more` is what `Key` takes, and `repr`."""
    return field(default=default, repr=more.pop("repr", True), metadata=about(doc, unset=default, **more))


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
