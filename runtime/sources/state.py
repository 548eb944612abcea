"""What a source does, and why, in words for people."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ...errors import FerEdgeError


class Phase(str, Enum):
    """What a source does."""

    OPENING = "opening"
    DELIVERING = "delivering"
    LOST = "lost"
    ENDED = "ended"


@dataclass(frozen=True)
class State:
    """A phase, why it is so, and since when.

    Attributes:
        reason: a sentence for people; empty when all is well.
        since_s: monotonic seconds when the phase began; a lost source that is tried again in vain stays lost.
    """

    phase: Phase
    reason: str = ""
    since_s: float = 0.0


def reason_of(error: Exception) -> str:
    """An error as a reason: its message and likely cause; the kind of one that nobody foresaw."""
    if isinstance(error, FerEdgeError):
        return f"{error.message} ({error.cause})" if error.cause else error.message
    words = str(error).strip().split("\n")[0]
    return f"the reader failed: {type(error).__name__}{': ' + words if words else ''}"
