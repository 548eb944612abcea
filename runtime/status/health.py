"""How the kiosk is, in one word and a reason."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class Condition(str, Enum):
    """The four states that the daemon, systemd, the broker and the page speak of."""

    STARTING = "starting"
    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"


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
