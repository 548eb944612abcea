"""What is wrong with a configuration, or looks wrong: gathered, so that a person can mend all of it at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One of them.

    Attributes:
        key: full name such as `mqtt.host`; empty for the file as a whole.
        what: the end of a sentence that begins with the key.
        serious: the kiosk does not start with it; otherwise it is a warning.
        hint: one thing to try.
        where: file and line, variable or flag.
    """

    key: str
    what: str
    serious: bool = True
    hint: str = ""
    where: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.key} {self.what}" if self.key else f"{self.where}: {self.what}"


def nearest(word: str, known: Iterable[str], form: str = "{}") -> str:
    """`; did you mean host?`, or nothing when nothing known is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {form.format(near[0])}?" if near else ""
