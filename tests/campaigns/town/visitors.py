"""Who is before a stand-in's camera, by the second: groups that may be told of, and people in too few, who may not.

The regular one (`happy` beside three `neutral`) and the returning one (`surprise`) leave and come back. Whoever is in a
group that is too small to be told of shows `fear`, which nobody else ever does; so one `fear` on the wire is a leak.
"""

from __future__ import annotations

from collections.abc import Sequence

LEAST = 5
STEP_S = 4.0
FOUR = ("neutral", "neutral", "neutral", "happy")
FIVE = (*FOUR, "surprise")
SEVEN = (*FIVE, "neutral", "happy")
SECRET = "fear"
ALONE, THREE = (SECRET,), (SECRET,) * 3
DAY: tuple[Sequence[str], ...] = ((), ALONE, FIVE, FOUR, FIVE, SEVEN, FIVE, FOUR, FIVE, THREE)
"""Four are there in between, when the returning one has left: told of, they would tell of the one by the difference."""


def visitors(number: int, now_s: float) -> Sequence[str]:
    """What the people before that kiosk show; each kiosk is at another moment of its day."""
    return DAY[int(now_s / STEP_S + number) % len(DAY)]


def place_of(rank: int, labels: Sequence[str]) -> tuple[float, float, float, float]:
    """Where a face is: whoever stays is in one place, and a group that may not be told of stands elsewhere."""
    return 40.0 * rank, 60.0 if SECRET in labels else 0.0, 30.0, 30.0
