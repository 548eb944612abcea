"""Counts as people say them."""

from __future__ import annotations


def counted(number: int, noun: str, form: str = "") -> str:
    """A number, with thousands separated, and its noun: "1 frame", "2,000 frames".

    Args:
        noun: for one.
        form: for any other number; the noun and an s when empty.
    """
    return f"{number:,} {noun if number == 1 else form or noun + 's'}"


def printable(text: object, most: int = 200) -> str:
    """What another machine said, for a terminal: at most so many characters, and none that moves its cursor."""
    return "".join(c if c.isprintable() else " " for c in str(text)[:most])
