"""What is said of each key beside its default: in one place, for reading, checking, the page and the first file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

PREFIX = "FER_EDGE_"
T = TypeVar("T")


@dataclass(frozen=True)
class Key:
    """About one key.

    Attributes:
        doc: one line, beginning small.
        unit: of a number, in words.
        least, most: of a number, both allowed; of a text, its length in characters.
        choices: the only texts allowed.
        form, form_words: a regular expression for a whole text, and what it asks for.
        reload: a running kiosk takes a new value at SIGHUP; others need a restart.
        secret: the file that a path names holds a secret.
        url: may hold a password, as in rtsp://user:password@camera/; then it is not shown.
    """

    doc: str
    unit: str = ""
    least: float = 0
    most: float = 200
    choices: tuple[str, ...] = ()
    form: str = ""
    form_words: str = ""
    reload: bool = False
    secret: bool = False
    url: bool = False


def key(default: T, doc: str, **about: Any) -> T:
    """A dataclass field that is a key; `about` is what `Key` takes."""
    return field(default=default, metadata={"key": Key(doc, **about)})


@dataclass(frozen=True)
class Entry:
    """A key in its section.

    Attributes:
        kind: its annotation, such as `int` or `Path | None`.
    """

    section: str
    name: str
    kind: str
    default: object
    about: Key

    @property
    def full(self) -> str:
        """As in `--set mqtt.host=broker`."""
        return f"{self.section}.{self.name}"

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"{PREFIX}{self.section}_{self.name}".upper()


def entries_of(config: type[Any]) -> dict[str, Entry]:
    """Every key by its full name, in the order of the page.

    Args:
        config: a dataclass whose fields are sections, each with its class as default factory.
    """
    return {entry.full: entry for entry in _entries(config)}


def _entries(config: type[Any]) -> Iterator[Entry]:
    for section in fields(config):
        for f in fields(section.default_factory):  # type: ignore[arg-type]
            yield Entry(section.name, f.name, str(f.type), f.default, f.metadata["key"])


def value_of(config: object, full: str) -> Any:
    """The value of `mqtt.host` in a configuration."""
    section, name = full.split(".")
    return getattr(getattr(config, section), name)
