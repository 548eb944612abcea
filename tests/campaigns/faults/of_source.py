"""Faults of the camera."""

from __future__ import annotations

import random
from time import monotonic, sleep

from fer_edge.runtime.backoff import FIRST_WAIT_S, JITTER, MAX_WAIT_S

from .bench import Bench
from .fault import OPEN_SOURCE_S, STEADY_GAP_S, Fault, Over
from .kit import DEADLINE_S
from .patience import latest_attempt

GONE_S = 5.0
HANGS_S = (2.0, 5.0)
REFUSED_S = 1.0
"""An attempt that is refused: an interpreter, OpenCV and one connection."""


def gone(bench: Bench, chance: random.Random) -> Over:
    """Switched off for five seconds."""
    bench.camera.switch_off()
    sleep(GONE_S)
    bench.camera.switch_on()
    return Over(monotonic())


def hang(bench: Bench, chance: random.Random) -> Over:
    """It sends nothing, on old connections and new ones."""
    bench.camera.flowing.clear()
    sleep(chance.uniform(*HANGS_S))
    bench.camera.flowing.set()
    return Over(monotonic())


def other_resolution(bench: Bench, chance: random.Random) -> Over:
    """It goes on with pictures of another size."""
    bench.camera.change_resolution()
    return Over(monotonic())


FAULTS = (
    Fault(
        "camera gone for 5 s",
        gone,
        15.0,
        "5 s, the last wait between two attempts, opening",
        latest_attempt(GONE_S, FIRST_WAIT_S, MAX_WAIT_S, JITTER, REFUSED_S) + OPEN_SOURCE_S + STEADY_GAP_S,
        camera=True,
    ),
    Fault(
        "camera hang",
        hang,
        9.0,
        "up to 5 s of hanging, opening",
        max(HANGS_S[1], DEADLINE_S + FIRST_WAIT_S * (1 + JITTER)) + OPEN_SOURCE_S + STEADY_GAP_S,
        camera=True,
    ),
    Fault("camera resolution change", other_resolution, STEADY_GAP_S, "none", told=False),
)
