"""What people read in their own language: English stands in the code, others are gettext catalogues in `locale`.

A language is one file, `locale/es.po`, read when the first message is wanted in it; English reads nothing. What
programs read (JSON, CSV, databases, topics) never comes through here, and neither do errors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import UsageError

if TYPE_CHECKING:
    from gettext import GNUTranslations

ENGLISH = "en"
CATALOGUES = Path(__file__).with_name("locale")
_spoken = ContextVar("language", default=ENGLISH)


def tr(message: str, **values: object) -> str:
    """A message in the language that is spoken, with its `{names}` filled in; itself where the catalogue lacks it."""
    if _spoken.get() != ENGLISH and message:  # the empty one is the catalogue's own head
        catalogue, english = _catalogue(_spoken.get()), message
        message = catalogue.gettext(english)
        if message == english:  # Python 3.10 does not find there what has a form for several
            message = catalogue.ngettext(english, english, 1)
    return message.format(**values) if values else message


def trn(number: int, noun: str, form: str = "") -> str:
    """`words.counted` in the language that is spoken: "1 frame", "2,000 frames", "2,000 cuadros"."""
    many = form or noun + "s"
    if _spoken.get() != ENGLISH:
        return f"{number:,} {_catalogue(_spoken.get()).ngettext(noun, many, number)}"
    return f"{number:,} {noun if number == 1 else many}"


def spoken() -> str:
    """The language of the moment, such as `es`; of a thread of its own, English."""
    return _spoken.get()


@contextmanager
def speaking(name: str) -> Iterator[None]:
    """Speak a language, one of `languages()`, until the block ends."""
    before = _spoken.set(name)
    try:
        yield
    finally:
        _spoken.reset(before)


def languages() -> tuple[str, ...]:
    """All that there are."""
    return (ENGLISH, *sorted(path.stem for path in CATALOGUES.glob("*.po")))


def known(name: str) -> str:
    """The language that a name such as `es_MX.UTF-8` or `es-MX` means; empty where there is none."""
    short = name.partition(".")[0].partition("@")[0].replace("-", "_").lower()
    return next((one for one in languages() if short in (one.lower(), "c", "posix") or short.startswith(f"{one}_")), "")


def wished(name: str | None, environment: Mapping[str, str]) -> str:
    """What was asked for, else the locale's language, else English; raises UsageError for a name that is not known."""
    if name is not None:
        if found := known(name):
            return found
        raise UsageError(
            f"there is no language {name}",
            cause=f"there are {', '.join(languages())}",
            hint="the same command with --lang en",
        )
    told = next((value for key in ("LC_ALL", "LC_MESSAGES", "LANG") if (value := environment.get(key))), "")
    return (known(told) if told else "") or ENGLISH


@cache
def _catalogue(name: str) -> GNUTranslations:
    import io
    from gettext import GNUTranslations

    import polib

    return GNUTranslations(io.BytesIO(polib.pofile(str(CATALOGUES / f"{name}.po")).to_binary()))
