"""Version constraints: the rows of a profile's `[[pairs]]`, checked against the versions that were found. Pure.

A row names components, each in words for people and, where it is known, in bounds that can be compared:

    NAME = "up to 2.11"      for people
    NAME_is = "16.0"         exactly this text, apart from a Debian revision
    NAME_min, NAME_max       numbers, both included; 2.11.3 is still 2.11
    of = "libedgetpu"        the row applies only to installations whose libedgetpu is in its bounds
    avoid = "ai-edge-litert" a component that must not be there
    note, fix                for people; the one command that brings a pair, `{python}` being the interpreter

A row without bounds is for people alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

Constraint = Mapping[str, str]
COMPONENTS = (
    *("python", "numpy", "library", "jetpack", "tensorrt", "openvino", "onnxruntime", "tflite-runtime"),
    *("ai-edge-litert", "libedgetpu", "librknnrt", "rknn-toolkit2", "rknn-toolkit-lite2", "rknpu", "vela"),
)
"""What a row may name; `library` is the Python module of a backend from another package."""
BOUNDS = ("_is", "_min", "_max")
WORDS = ("of", "avoid", "note", "fix")
CONSTRAINT_KEYS = (*COMPONENTS, *(c + b for c in COMPONENTS for b in BOUNDS), *WORDS)


class Compatibility(Enum):
    """What the rows say of an installation."""

    GOOD = "known to work"
    BAD = "known not to work"
    UNKNOWN = "not known"


@dataclass(frozen=True)
class VersionCheck:
    """What all rows together say, and which versions were compared.

    Attributes:
        component: the one that does not fit; `fix`: the command that brings a pair. Both may be empty.
    """

    status: Compatibility
    message: str
    component: str = ""
    fix: str = ""


def check_versions(constraints: Sequence[Constraint], found: Mapping[str, str]) -> VersionCheck:
    """Check the versions that were found against the rows that apply.

    Args:
        found: component -> version. Leave `python` out when the library was imported: that has shown that they fit.

    Returns:
        GOOD when a row fits, BAD when every row that applies is violated, else UNKNOWN.
    """
    rows = [row for row in constraints if _applies(row, found)]
    wrong = [_violations(row, found) for row in rows]
    for row, violations in zip(rows, wrong, strict=True):
        if not violations and not _not_found(row, found):
            return VersionCheck(
                Compatibility.GOOD, ", ".join(f"{name} {found[name]}" for name in _constrained(row) if name in found)
            )
    if rows and all(wrong):
        violations, row = min(zip(wrong, rows, strict=True), key=lambda pair: len(pair[0]))
        return VersionCheck(
            Compatibility.BAD, "; ".join(violations.values()), next(iter(violations)), row.get("fix", "")
        )
    missing = sorted(
        {name for row, violations in zip(rows, wrong, strict=True) if not violations for name in _not_found(row, found)}
    )
    words = [f"not found here: {', '.join(missing)}"] if missing else []
    return VersionCheck(
        Compatibility.UNKNOWN, "; ".join([*words, "known to work: " + "; ".join(describe(row) for row in constraints)])
    )


def install_command(constraints: Sequence[Constraint], found: Mapping[str, str]) -> str:
    """The command of the first row that applies; empty when there is none."""
    return next((row["fix"] for row in constraints if row.get("fix") and _applies(row, found)), "")


def describe(row: Constraint) -> str:
    """A row for people: its components, then its note."""
    named = [f"{name} {row[name]}" for name in row if name in COMPONENTS]
    return ", ".join([*named, *([row["note"]] if "note" in row else [])])


def _constrained(row: Constraint) -> list[str]:
    """Components with a bound, in the row's own order."""
    return list(dict.fromkeys(key.rpartition("_")[0] for key in row if key.endswith(BOUNDS)))


def _applies(row: Constraint, found: Mapping[str, str]) -> bool:
    if not _constrained(row):
        return False
    name = row.get("of", "")
    return not name or (name in found and not _violates(row, name, found[name]))


def _not_found(row: Constraint, found: Mapping[str, str]) -> list[str]:
    """Bounded components that were not found; an interpreter that loads its library need not be known."""
    return [n for n in _constrained(row) if n != "python" and (n not in found or not _numbers(found[n]))]


def _violations(row: Constraint, found: Mapping[str, str]) -> dict[str, str]:
    """Component -> what is wrong with it, for each that a row rules out."""
    beside = f" beside {row['of']} {found[row['of']]}" if "of" in row else ""
    violations = {}
    avoid = row.get("avoid", "")
    if avoid in found:
        violations[avoid] = f"{avoid} {found[avoid]}{beside}: known to work is {describe(row)}"
    for name in _constrained(row):
        if name in found and _violates(row, name, found[name]):
            violations[name] = f"{name} {found[name]}{beside}: only {row.get(name, 'another')} is known to work"
    return violations


def _violates(row: Constraint, name: str, version: str) -> bool:
    """Whether a version is known to break one of the row's bounds."""
    exact = row.get(f"{name}_is")
    if exact is not None and version.partition("-")[0].lower() != exact.lower():
        return True
    numbers = _numbers(version)
    lowest, highest = _numbers(row.get(f"{name}_min", "")), _numbers(row.get(f"{name}_max", ""))
    if not numbers:
        return False
    padded = numbers + (0,) * (len(lowest) - len(numbers))
    return padded < lowest or (bool(highest) and numbers[: len(highest)] > highest)


def _numbers(version: str) -> tuple[int, ...]:
    """Leading dotted numbers of a version, `2.14.0rc1` as (2, 14, 0); none for a text that begins with none."""
    match = re.match(r"[0-9]{1,9}(\.[0-9]{1,9})*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()
