"""Whether the picture is one: a covered lens and a camera that gives the same picture for ever look like an empty room.

Looked at are the green values of GRID x GRID points or some more: green is most of grey. That takes 0.02 ms a frame
(median of 500, of 640 x 480 and of 1920 x 1080, on a 2-core x86-64 machine).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...bundle import Image

GRID = 48
"""Points each way, at most twice as many."""
MAX_GAP_S = 2.0
"""Between two looks; after a longer one, nothing is known of the time between."""


@dataclass(frozen=True)
class PictureLimits:
    """What is taken for no picture, in grey levels 0..255 and seconds.

    In 39 frames of five real clips, darkened and with noise (deviation 0, 2, 5), YuNet found a face in 28, 28 and 26
    frames at a mean of 16, in 19, 12 and 3 at 12, in 3, 1 and 0 at 10 (the picture deviates by 3.7 to 6.0), and none
    at 8. The quietest two frames in a row of these clips differ by 0.064 a point; noise of a deviation of 0.02 makes
    0.025. A stream that is coded with much compression repeats a still picture bit by bit until its next key frame,
    which is why `frozen_s` is long.

    Attributes:
        dark_mean, dark_spread: a picture is dark when mean and standard deviation are both below.
        dark_s, frozen_s: for how long, before it is said.
        frozen: mean difference from the first of the same pictures, below which it is the same one.
        slack: a dark picture is light again only so many times above its limits.
        clear_s: for how long all must be well before it is unsaid.
    """

    dark_mean: float = 10.0
    dark_spread: float = 6.0
    dark_s: float = 10.0
    frozen: float = 0.02
    frozen_s: float = 30.0
    slack: float = 1.25
    clear_s: float = 2.0


class Alarm:
    """Rings after a condition held for a while, and stops after it did not for a while."""

    def __init__(self, after_s: float, clear_s: float) -> None:
        self._after_s, self._clear_s = after_s, clear_s
        self._bad = False
        self._since_s = self._last_s = float("-inf")
        self.rings = False

    def update(self, now: float, bad: bool | None) -> bool:
        """Whether it rings; `bad` is None in between, where what was last goes on."""
        bad = self._bad if bad is None else bad
        if bad is not self._bad or now - self._last_s > MAX_GAP_S:
            self._bad, self._since_s = bad, now
        self._last_s = now
        if now - self._since_s >= (self._after_s if bad else self._clear_s):
            self.rings = bad
        return self.rings


class PictureCheck:
    """Looks at every picture and says what is wrong, if anything is."""

    def __init__(self, limits: PictureLimits = PictureLimits(), frozen: bool = True) -> None:
        """Begin; without `frozen`, pictures may stay the same, as those of a file do."""
        self.limits = limits
        self._frozen = frozen
        self._dark_alarm = Alarm(limits.dark_s, limits.clear_s)
        self._frozen_alarm = Alarm(limits.frozen_s, limits.clear_s)
        self._first: NDArray[np.int16] | None = None

    def look(self, image: Image, at_s: float) -> str:
        """A sentence about the picture, empty when it is fine.

        Args:
            image: uint8 (H, W, 3), BGR, of any size.
            at_s: monotonic seconds, not before those of the last look.
        """
        points = sampled(image)
        if self._dark_alarm.update(at_s, self._dark(points)):
            return "the picture is dark: the lens is covered, or there is no light"
        if self._frozen and self._frozen_alarm.update(at_s, self._same(points)):
            return f"the picture has not changed for {self.limits.frozen_s:.0f} s: the camera hangs"
        return ""

    def _dark(self, points: NDArray[np.int16]) -> bool | None:
        mean, spread = float(points.mean()), float(points.std())
        limits = self.limits
        if mean < limits.dark_mean and spread < limits.dark_spread:
            return True
        above = mean >= limits.slack * limits.dark_mean or spread >= limits.slack * limits.dark_spread
        return False if above else None

    def _same(self, points: NDArray[np.int16]) -> bool:
        """Whether it is still the first of the same pictures; a slow change ends that, a camera's noise at once."""
        first, self._first = self._first, points
        if first is None or first.shape != points.shape or np.abs(points - first).mean() >= self.limits.frozen:
            return False
        self._first = first
        return True


def sampled(image: Image) -> NDArray[np.int16]:
    """Green values int16 (h, w) of evenly spread points, at least one."""
    height, width = image.shape[:2]
    return image[:: max(1, height // GRID), :: max(1, width // GRID), 1].astype(np.int16)
