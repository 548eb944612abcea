"""What is done to the daemon itself: killed in the middle of its writing, reloaded with a broken configuration."""

from __future__ import annotations

import os
import random
import signal
from time import monotonic

from .bench import Bench
from .fault import START_S, STEADY_GAP_S, Fault, Over
from .kit import COMMIT_S, INFER_FPS
from .processes import children_of, runs
from .unit import read_rules


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
    """Both; how soon systemd starts it again stands in the unit."""
    back_s = COMMIT_S + read_rules().restart_s + START_S + STEADY_GAP_S
    return (
        Fault("SIGKILL during writes", killed, 13.0, "the commit that was lost, RestartSec, start", back_s),
        Fault("broken config and SIGHUP", broken_config, STEADY_GAP_S, "none", told=False),
    )
