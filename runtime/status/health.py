"""How a kiosk is: a condition and a reason, of one camera and of the whole."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Condition(str, Enum):
    """The four states that the daemon, systemd, the broker and the page speak of."""

    STARTING = "starting"
    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"


WORKING = (Condition.OK, Condition.DEGRADED)
_WORST_FIRST = (Condition.FAILED, Condition.STARTING, Condition.DEGRADED, Condition.OK)


@dataclass(frozen=True)
class Health:
    """A condition, why it is so, and since when.

    Attributes:
        reason: a sentence for people; empty when all is well.
        since_s: monotonic seconds when the condition began.
    """

    condition: Condition
    reason: str = ""
    since_s: float = 0.0

    def __str__(self) -> str:
        return f"{self.condition.value}: {self.reason}" if self.reason else self.condition.value

    @property
    def kind(self) -> tuple[Condition, str]:
        """Condition and reason without digits: what a log compares, so that a counter in the reason is no news."""
        return self.condition, re.sub(r"\d+", "", self.reason)


def overall(cameras: Mapping[str, Health]) -> Health:
    """The whole kiosk's health, of each camera's by its name; there must be one.

    It works while one of its cameras works, and fails with the last. What all say is said once; else the worst is
    named.
    """
    worst = min(cameras, key=lambda name: _WORST_FIRST.index(cameras[name].condition))
    found = cameras[worst]
    if len({health.kind for health in cameras.values()}) == 1:
        return found
    reason = f"{worst}: {found.reason}" if found.reason else f"{worst} is {found.condition.value}"
    if any(health.condition in WORKING for health in cameras.values()):
        return Health(Condition.DEGRADED, reason, found.since_s)
    starting = any(health.condition is Condition.STARTING for health in cameras.values())
    return Health(Condition.STARTING if starting else Condition.FAILED, reason, found.since_s)
