"""How a kiosk is, as the centre sees it: from the snapshots it publishes, or from what Prometheus scraped."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..words import printable

WELL = "ok"
OFFLINE, UNSEEN, UNREADABLE = "offline", "never seen", "unreadable"
"""Words beside the kiosk's own conditions: its last will spoke, nothing of it is there, it says what is no snapshot."""
WORST_FIRST = ("failed", "starting", "degraded", WELL)
NOT_READ = (ValueError, KeyError, TypeError, RecursionError)
"""What may become of bytes that a kiosk, or who has its key, calls its state: none costs the others their row."""


@dataclass(frozen=True)
class KioskStatus:
    """One row.

    Attributes:
        health: a kiosk's condition, the worst of its cameras', or one of the words above.
        reason: why, in a sentence; empty when all is well.
        seen_s: seconds since its last word, by its own clock and ours; None when there was none.
        temperature_c, disk_used: as the kiosk tells them, coarsely where it has a least group.
    """

    name: str
    health: str = UNSEEN
    reason: str = ""
    version: str = ""
    model: str = ""
    seen_s: float | None = None
    temperature_c: float | None = None
    disk_used: float | None = None
    paused: bool | None = None

    @property
    def well(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.health == WELL


def status_of(name: str, states: Mapping[str, bytes], words: Sequence[str], now_s: float | None = None) -> KioskStatus:
    """A kiosk's row from its messages.

    Args:
        states: the newest snapshot of each camera, as it came; the name of a lone camera may be empty.
        words: `online` or `offline` of each camera.
        now_s: seconds since 1970; by this machine's clock, when None.
    """
    if not states:
        return KioskStatus(name, OFFLINE if "offline" in words else UNSEEN)
    try:
        told = [_checked(json.loads(text)) for text in states.values()]
        last = max(datetime.fromisoformat(t["time"]).timestamp() for t in told)
    except NOT_READ as error:
        reason = printable(f"its state is no snapshot: {type(error).__name__}: {error}")
        return KioskStatus(name, UNREADABLE, reason)
    worst = min(told, key=lambda t: _rank(t["health"]["condition"]))
    now = time.time() if now_s is None else now_s
    gone = "offline" in words
    machine: Mapping[str, Any] = worst.get("machine") or {}
    return KioskStatus(
        name,
        OFFLINE if gone else str(worst["health"]["condition"]),
        "" if gone else printable(worst["health"].get("reason", "")),
        printable(machine.get("version") or ""),
        printable(machine.get("model") or ""),
        round(now - last, 1),
        number(machine.get("temperature_c")),
        number(machine.get("disk_used")),
        bool(worst["paused"]),
    )


def _checked(told: Any) -> Mapping[str, Any]:
    """A snapshot, as far as it is read here; raises one of NOT_READ."""
    if told["health"]["condition"] not in WORST_FIRST or not isinstance(told["paused"], bool):
        raise ValueError("a condition that no kiosk has")
    if datetime.fromisoformat(told["time"]).tzinfo is None:
        raise ValueError("a time of no zone")
    if not isinstance(told.get("machine", {}), dict):
        raise TypeError("machine is no object")
    return dict(told)


def _rank(condition: str) -> int:
    return WORST_FIRST.index(condition)


def number(value: Any) -> float | None:
    """A figure that a kiosk tells, if it is one that may be true: NaN is none, nor what fills a line of digits."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -1e12 < value < 1e12:
        return None
    return float(value)
