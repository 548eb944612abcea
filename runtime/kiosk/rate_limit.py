"""Keeps the kiosk below a target frame rate and below a share of the processor."""

from __future__ import annotations

import time
from collections.abc import Callable

WINDOW_S = 2.0
"""The processor's share is looked at over so long; a shorter one swings with single frames."""
MAX_REST_S = 2.0
"""However low the cap, a frame is taken at least so often."""


class RateLimit:
    """Says how long to rest after each frame."""

    def __init__(
        self,
        target_fps: float = 0.0,
        cpu_share: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        worked: Callable[[], float] = time.process_time,
    ) -> None:
        """Begin.

        Args:
            target_fps: frames a second at most; 0: as many as come.
            cpu_share: of one core, at most; 0: no cap. More than one core may be allowed (1.5).
            clock, worked: seconds that pass, and processor seconds of this process, all its threads together.
        """
        self._clock, self._worked, self._frames = clock, worked, 0
        self.set(target_fps, cpu_share)
        self._last = self._mark = clock()
        self._mark_worked = worked()
        self.share = 0.0
        """Of one core, over the last window."""

    def set(self, target_fps: float, cpu_share: float) -> None:
        """Other limits from now on; see `__init__`."""
        self._interval_s, self._cap, self._extra_s = 1 / target_fps if target_fps > 0 else 0.0, cpu_share, 0.0

    def rest_s(self) -> float:
        """Seconds to wait before the next frame is taken; call it once a frame, when the frame is done."""
        now = self._clock()
        self._frames += 1
        if now - self._mark >= WINDOW_S:
            self._measure(now)
        rest = max(0.0, self._last + self._interval_s + self._extra_s - now)
        self._last = max(now, now + rest)
        return rest

    def _measure(self, now: float) -> None:
        """Move the extra rest between frames half of the way to what a frame's work needs under the cap."""
        spent = self._worked() - self._mark_worked
        per_frame = spent / self._frames
        self.share = spent / (now - self._mark)
        self._mark, self._mark_worked, self._frames = now, self._mark_worked + spent, 0
        if self._cap > 0:
            needed = max(0.0, per_frame / self._cap - self._interval_s)
            self._extra_s = min((self._extra_s + needed) / 2, MAX_REST_S)
