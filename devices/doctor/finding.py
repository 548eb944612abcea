"""One line of the doctor's report."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class State(str, Enum):
    """What became of a check."""

    OK = "ok"
    PROBLEM = "problem"
    UNCHECKED = "not checked"


@dataclass(frozen=True)
class Finding:
    """A check, its outcome, what was seen, and for a problem the one command to run."""

    name: str
    state: State
    seen: str
    fix: str = ""


def ok(name: str, seen: str) -> Finding:
    """All is well."""
    return Finding(name, State.OK, seen)


def problem(name: str, seen: str, fix: str) -> Finding:
    """Something is wrong, and this is what to do."""
    return Finding(name, State.PROBLEM, seen, fix)


def unchecked(name: str, why: str) -> Finding:
    """Could not be looked at, and why."""
    return Finding(name, State.UNCHECKED, why)
