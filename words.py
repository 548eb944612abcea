"""Counts as people say them."""

from __future__ import annotations


def counted(number: int, noun: str, form: str = "") -> str:
    """A number, with thousands separated, and its noun: "1 frame", "2,000 frames".

    Args:
        noun: for one.
        form: for any other number; the noun and an s when empty.
    """
    return f"{number:,} {noun if number == 1 else form or noun + 's'}"
