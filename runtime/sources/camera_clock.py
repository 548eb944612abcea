"""When pictures of a stream were taken: by its own clock, set by the picture that took the shortest way here."""

from __future__ import annotations

import math

DRIFT = 2e-4
"""Seconds a second that a camera's clock may be slow; quartzes keep to 1e-4."""
JUMP_S = 5.0
"""A picture that took so much longer than the quickest begins anew: the stream's clock was set back, or runs slow."""


class CameraClock:
    """Turns times of a stream, whose zero is unknown, into monotonic seconds."""

    def __init__(self) -> None:
        self._ahead_s, self._own_s, self._came_s = 0.0, math.inf, 0.0

    def taken_s(self, own_s: float, came_s: float) -> float:
        """Monotonic seconds at which a picture was taken, never after it came; without an own time, when it came."""
        if math.isnan(own_s):
            return came_s
        ahead_s = came_s - own_s
        kept_s = self._ahead_s + DRIFT * (came_s - self._came_s)
        jumped = own_s <= self._own_s or ahead_s - kept_s > JUMP_S
        self._ahead_s = ahead_s if jumped else min(kept_s, ahead_s)
        self._own_s, self._came_s = own_s, came_s
        return own_s + self._ahead_s
