"""What changed between two configurations, and whether a running kiosk can take it."""

from __future__ import annotations

from dataclasses import dataclass

from .keys import value_of
from .sections import KioskConfig, entries


@dataclass(frozen=True)
class Change:
    """A key with another value."""

    key: str
    old: object
    new: object


def reloadable(old: KioskConfig, new: KioskConfig) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
    """The changes that can be applied now, and those that need a restart; each key's `Key.reload` says which."""
    changed = [
        (entry.about.reload, Change(full, value_of(old, full), value_of(new, full)))
        for full, entry in entries().items()
        if value_of(old, full) != value_of(new, full)
    ]
    return tuple(c for now, c in changed if now), tuple(c for now, c in changed if not now)
