"""The language of a page: the configuration's, else what the browser wishes."""

from __future__ import annotations

from ...language import ENGLISH, known, languages


def reader_language(fixed: str, accepted: str) -> str:
    """The language to speak.

    Args:
        fixed: of the configuration; empty: none.
        accepted: the header Accept-Language, such as `es-MX,es;q=0.9,en;q=0.8`; anything odd in it is passed over.
    """
    if fixed:
        return fixed
    wishes = [part.partition(";") for part in accepted.split(",")[:20]]
    ranked = sorted(wishes, key=lambda wish: -_quality(wish[2]))  # of equals the first stays first
    return next((found for tag, _, q in ranked if _quality(q) > 0 and (found := known(tag.strip()))), ENGLISH)


def checked_language(name: str) -> str:
    """A language of the configuration, empty for the browser's wish; raises ValueError."""
    if name and not known(name):
        raise ValueError(f"must be one of {', '.join(languages())}, or empty for the browser's wish")
    return known(name) if name else ""


def _quality(words: str) -> float:
    name, _, value = words.replace(" ", "").partition("=")
    if name != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
