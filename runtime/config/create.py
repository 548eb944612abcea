"""The first configuration file: place and purpose declared, every other key with its default."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ...errors import UsageError
from ...toml_schema import allowed, fit
from ..mqtt.own_name import PLACEHOLDER
from .consistency import check_declaration
from .declaration import refusal
from .keys import entries
from .rendering import first_toml
from .sections import Place

QUESTIONS = {
    "name": "Where will the kiosk stand?",
    "kind": "What sort of place is that?",
    "purpose": "What will its figures be used for?",
}
OPTIONS = {"name": "--place", "kind": "--kind", "purpose": "--purpose"}
Ask = Callable[[str], str]
"""Shows a person a question and gives the answer; the empty text at the end of the input, else with its line end."""


@dataclass(frozen=True)
class Declaration:
    """What is said of the place already; what is empty is asked for. `exception` is only asked for where it decides."""

    name: str = ""
    kind: str = ""
    purpose: str = ""
    exception: str = ""


def create_config(path: Path, given: Declaration, *, replace: bool = False, ask: Ask | None = None) -> None:
    """Write the first file; `ask` asks a person for what is missing, and is None when nobody is there.

    Raises:
        UsageError: the file is there and `replace` is not set, something is missing, or the place is refused.
        OutputError: it cannot be written.
    """
    from ...files import write_text

    if os.path.exists(path) and not replace:
        raise UsageError(f"{path} is there already", hint=f"fer-edge config init {path} --replace")
    missing = [name for name in QUESTIONS if not getattr(given, name)]
    if missing and ask is None:
        hint = f"fer-edge config init {path} --place NAME --kind shop --purpose TEXT"
        options = ", ".join(OPTIONS[name] for name in missing)
        raise UsageError(f"place and purpose have to be declared: {options} missing", hint=hint)
    own = {"mqtt.topic": f"fer-edge-{PLACEHOLDER}"}  # two kiosks on one topic would be one to whoever listens
    write_text(path, first_toml(declare(given, ask), own))


def declare(given: Declaration, ask: Ask | None) -> Place:
    """The declaration, dated today; raises UsageError when it may not be made."""
    said = {}
    for name, question in QUESTIONS.items():
        text = getattr(given, name)
        said[name] = _fitting(name, text) if text or ask is None else _asked(ask, name, question)
    exception = given.exception
    why = refusal(said["kind"], exception)
    if why and not given.kind and ask is not None:
        question = f"{why}.\nIs it for one of these reasons? Leave it empty if it is not."
        exception = _asked(ask, "purpose_exception", question)
    place = Place(**said, purpose_exception=exception, declared=datetime.now().astimezone().date())
    for problem in (p for p in check_declaration(place) if p.serious):
        raise UsageError(
            f"{problem.key} {problem.what}",
            hint="the same command with --exception medical or safety, if that is the reason",
        )
    return place


def _asked(ask: Ask, name: str, question: str) -> str:
    """An answer that fits the key, asked for until there is one."""
    entry, wrong = entries()[f"place.{name}"], ""
    while True:
        answer = ask(f"{wrong}{question} ({allowed(entry.hint, entry.key)})\n> ")
        if not answer:
            raise UsageError("place and purpose have to be declared, and nothing was answered")
        try:
            text = _fitting(name, answer)
        except UsageError as error:
            wrong = f"{error}\n"
            continue
        if text or name not in QUESTIONS:
            return text
        wrong = ""


def _fitting(name: str, text: str) -> str:
    """A text of the declaration without blanks around it; raises UsageError when the key does not take it."""
    entry = entries()[f"place.{name}"]
    try:
        return str(fit(entry.hint, entry.key, text.strip()))
    except ValueError as error:
        raise UsageError(f"place.{name} {error}") from None
