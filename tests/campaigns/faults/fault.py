"""What a fault is, and what its documented gap is made of."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from .bench import Bench
from .kit import PLAIN, Kit

STEADY_GAP_S = 2.0
"""Between two observations without a fault: a frame every 80 ms, a face that is missed in some, a busy machine."""
OPEN_SOURCE_S = 2.0
"""Opening a stream: an interpreter, OpenCV and FFmpeg's look at it; half a second on an idle machine."""
OPEN_DEVICE_S = 3.0
"""Opening a device: an interpreter, the runtime and the graph; a second on an idle machine."""
START_S = 5.0
"""From the start of the process to its first result: three seconds, and more when two kiosks share the processor."""


@dataclass(frozen=True)
class Over:
    """When a fault was over.

    Attributes:
        at_s: monotonic seconds; recovery counts from here.
        since: observations from this number on count for the gap; 0: those from before the fault on.
    """

    at_s: float
    since: int = 0


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Attributes:
        act: does it, and undoes it; raises AssertionError when the kiosk does not do what is documented meanwhile.
        gap_s: the longest time without observations that is documented, and why.
        design_s: what the waits and deadlines in the code add up to; the tests hold that it is no more than documented.
        told: the kiosk must say that it is not ok, before it is ok again.
        camera: it costs the connection to the camera, whose waits begin anew only after a steady time.
        needs: why it cannot be done on this machine, in a sentence; empty when it can.
    """

    name: str
    act: Callable[[Bench, random.Random], Over]
    gap_s: float
    why: str
    design_s: float = STEADY_GAP_S
    told: bool = True
    camera: bool = False
    kit: Kit = PLAIN
    needs: Callable[[], str] = lambda: ""


def latest_attempt(
    outage_s: float, first_s: float, longest_s: float, jitter: float = 0.0, attempt_s: float = 0.0, tried: int = 0
) -> float:
    """Seconds from the loss to the beginning of the attempt that finds all well again, at the latest.

    Waits double from first_s to longest_s, each shortened or lengthened by up to the share `jitter`; an attempt in vain
    takes up to attempt_s. The worst attempt fails just before the outage ends, and the next waits its longest.

    Args:
        outage_s: from the loss to the moment when an attempt would succeed.
        tried: waits that had already doubled before the loss.
    """
    soonest = latest = worst = 0.0
    wait = min(first_s * 2**tried, longest_s)
    while soonest <= outage_s:
        latest = min(latest, outage_s) + attempt_s + wait * (1 + jitter)
        worst = max(worst, latest)
        soonest += wait * (1 - jitter)
        wait = min(2 * wait, longest_s)
    return worst
