"""A subject's code: a pseudonym, never a name."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ...errors import UsageError

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_WORDS = frozenset(
    ("subject", "patient", "participant", "control", "person", "child", "proband", "sujeto", "paciente", "participante")
)
"""Long words of codes that name nobody."""
_NAME_LETTERS = 4
"""So many letters in a row may be a name; fewer are initials or a site's letters."""


def check_code(code: str, known: Iterable[str]) -> None:
    """Raise UsageError for what is no code, or is one that is there in other letters; `known` are the study's."""
    if not _CODE.fullmatch(code):
        raise UsageError(
            f"{code!r} is no subject's code",
            cause="a code has up to 32 letters without accents, digits, - and _, and no blanks",
            hint="choose a code such as P07",
        )
    other = next((k for k in known if k.lower() == code.lower() and k != code), None)
    if other:
        raise UsageError(
            f"the subject {other} is in the study already, and {code} differs only in capital letters",
            cause="two people whose codes differ by that alone would be mixed up",
            hint=f"write it {other}, or choose another code",
        )


def like_a_name(code: str) -> bool:
    """Whether a code may be somebody's name: four letters or more in a row, or letters alone."""
    runs = [run.lower() for run in re.findall(r"[A-Za-z]+", code)]
    if any(len(run) >= _NAME_LETTERS and run not in _WORDS for run in runs):
        return True
    return not re.search(r"\d", code) and any(len(run) > 2 and run not in _WORDS for run in runs)
