"""Faults of the device and of the worker that it lives in."""

from __future__ import annotations

import os
import random
import shutil
import signal
from importlib.util import find_spec
from pathlib import Path
from time import monotonic, sleep

from fer_edge.runtime.backoff import FIRST_WAIT_S, JITTER
from fer_edge.runtime.inference.worker_client import CALL_S

from . import ledger
from .bench import Bench
from .fault import OPEN_DEVICE_S, STEADY_GAP_S, Fault, Over
from .kit import STICK
from .processes import children_of

BACK_S = FIRST_WAIT_S * (1 + JITTER) + OPEN_DEVICE_S + STEADY_GAP_S
AWAY_S = (1.0, 3.0)


def worker_of(bench: Bench) -> int:
    """The number of the worker's process."""
    mine = [
        pid for pid in children_of(bench.supervisor.pid) if b"worker.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    assert mine, "there is no worker"
    return mine[0]


def crash(bench: Bench, chance: random.Random) -> Over:
    """The vendor's library takes its process down."""
    os.kill(worker_of(bench), signal.SIGSEGV)
    return Over(monotonic())


def hang(bench: Bench, chance: random.Random) -> Over:
    """The vendor's library does not return."""
    os.kill(worker_of(bench), signal.SIGSTOP)
    return Over(monotonic())


def absent_at_start(bench: Bench, chance: random.Random) -> Over:
    """Not plugged in when the kiosk starts; the processor stands in, visibly, until it is."""
    bench.restart(lambda: bench.stick.write_text("absent"))
    bench.until(lambda: bench.supervisor.condition == "degraded", "the kiosk did not start without its device")
    bench.until(bench.acknowledged, "nothing was observed without the device")
    since = ledger.place(bench.store).seq
    sleep(chance.uniform(*AWAY_S))
    assert bench.metrics()["device_degraded"] == 1.0, "it is not told that the processor stands in"
    assert bench.supervisor.condition == "degraded", "it is not told that the processor stands in"
    bench.stick.write_text("here")
    return Over(monotonic(), since)


def no_stick() -> str:
    """Why the stand-in for a stick cannot be had here."""
    if shutil.which("gcc") is None:
        return "no C compiler for the stand-in of the stick"
    return "" if find_spec("ai_edge_litert") else "no LiteRT, which loads the stand-in of the stick"


FAULTS = (
    Fault("worker SIGSEGV", crash, 6.0, "0.6 s before it is opened again, opening", BACK_S),
    Fault(
        "worker hang", hang, 11.0, "5 s deadline of a call, 0.6 s before it is opened again, opening", CALL_S + BACK_S
    ),
    Fault(
        "accelerator absent at start, back later",
        absent_at_start,
        5.0,
        "an attempt to open it holds the loop",
        OPEN_DEVICE_S + STEADY_GAP_S,
        kit=STICK,
        needs=no_stick,
    ),
)
