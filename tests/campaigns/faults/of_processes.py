"""Faults of processes: the worker that a device lives in, and the daemon itself."""

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
from .fault import OPEN_DEVICE_S, START_S, STEADY_GAP_S, Fault, Over
from .kit import COMMIT_S, INFER_FPS, STICK, TWO
from .supervisor import children_of, read_rules, runs

BACK_S = FIRST_WAIT_S * (1 + JITTER) + OPEN_DEVICE_S + STEADY_GAP_S
AWAY_S = (1.0, 3.0)


def worker_of(bench: Bench) -> int:
    """The number of the worker's process."""
    return processes_of(bench, b"worker.py")[0]


def processes_of(bench: Bench, script: bytes) -> list[int]:
    """The kiosk's children that run a script of ours; there must be one."""
    mine = [pid for pid in children_of(bench.supervisor.pid) if script in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert mine, f"no process runs {script.decode()}"
    return mine


def crash(bench: Bench, chance: random.Random) -> Over:
    """The vendor's library takes its process down."""
    os.kill(worker_of(bench), signal.SIGSEGV)
    return Over(monotonic())


def hang(bench: Bench, chance: random.Random) -> Over:
    """The vendor's library does not return."""
    os.kill(worker_of(bench), signal.SIGSTOP)
    return Over(monotonic())


def one_capture_killed(bench: Bench, chance: random.Random) -> Over:
    """SIGKILL for the process that reads one of two cameras, while the other's reads on."""
    lost = bench.said().count(" lost: ")
    os.kill(chance.choice(processes_of(bench, b"camera_child.py")), signal.SIGKILL)
    bench.until(lambda: bench.said().count(" lost: ") > lost, "it was not noticed", 20)
    over = Over(monotonic())
    assert bench.said().count(" lost: ") == lost + 1, "the other camera was lost too"
    return over


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


OF_WORKER = (
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


def broken_config(bench: Bench, chance: random.Random) -> Over:
    """Broken by hand and reloaded: the old values stay and the log says where; mended and reloaded, they change."""
    said = len(bench.said())
    text = bench.text(infer_fps=0.5)  # a change that would be seen at once as a gap
    line, broken = chance.choice((("widht = 640", "widht"), ("fps = -1", "fps"), ('deadline_s = "soon', "")))
    place = text.index("[source]") + len("[source]\n")
    bench.config.write_text(f"{text[:place]}{line}\n{text[place:]}", encoding="utf-8")
    number = text[:place].count("\n") + 1
    os.kill(bench.supervisor.pid, signal.SIGHUP)
    bench.until(
        lambda: "the old one stays" in bench.said()[said:], "the broken configuration was not complained of", 20
    )
    words = bench.said()[said:]
    assert f"{bench.config}, line {number}: " in words, f"the log does not say line {number}: {words}"
    assert broken in words, f"the log does not say what is wrong: {words}"
    bench.flows(3)
    said = len(bench.said())
    other = round(chance.uniform(INFER_FPS - 1, INFER_FPS + 1), 3)
    bench.config.write_text(bench.text(infer_fps=other), encoding="utf-8")
    os.kill(bench.supervisor.pid, signal.SIGHUP)
    bench.until(lambda: f"work.infer_fps is now {other}" in bench.said()[said:], "the mended one was not taken", 20)
    return Over(monotonic())


def killed(bench: Bench, chance: random.Random) -> Over:
    """SIGKILL while observations are being written; whatever it had started ends with it."""
    pid = bench.supervisor.pid
    below = children_of(pid)
    begun = monotonic()
    os.kill(pid, signal.SIGKILL)
    bench.until(lambda: bench.supervisor.since(begun, "exit"), "it did not end", 5)
    bench.until(lambda: not any(runs(child) for child in below), "its children outlive it", 5)
    return Over(monotonic())


def faults() -> tuple[Fault, ...]:
    """All of them; how soon systemd starts a killed daemon again stands in the unit."""
    back_s = COMMIT_S + read_rules().restart_s + START_S + STEADY_GAP_S
    return (
        *OF_WORKER,
        Fault("SIGKILL during writes", killed, 13.0, "the commit that was lost, RestartSec, start", back_s),
        Fault(
            "one of two capture processes SIGKILL",
            one_capture_killed,
            STEADY_GAP_S,
            "none: the other goes on",
            camera=True,
            kit=TWO,
        ),
        Fault("broken config and SIGHUP", broken_config, STEADY_GAP_S, "none", told=False),
    )
