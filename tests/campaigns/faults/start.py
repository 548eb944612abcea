"""From the start of the process to its first result, as systemd sees it:
`python -m campaigns.faults.start [--runs 10]`.

A kiosk on the processor with every sink; what it reads from the disk was read before. The camera runs all the time.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from statistics import median

from .__main__ import prepare
from .bench import Bench
from .kit import USUAL

BAR_S = 3.0


def main() -> int:
    """Start it so many times; exit code 1 when the slowest took longer than the bar."""
    parser = argparse.ArgumentParser(prog="campaigns.faults.start", description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="start-") as name:
        prepare(Path(name))
        bench = Bench(Path(name) / "bench", USUAL)
        try:
            (first, _), *runs = [started(bench, again=number > 0) for number in range(args.runs + 1)]
        finally:
            bench.close()
    times, worked = zip(*runs, strict=True)
    print(f"first {first:.2f} s; then " + " ".join(f"{t:.2f}" for t in times))
    print(
        f"processor time until then: p50 {median(worked):.2f} s, max {max(worked):.2f} s, however busy the machine is"
    )
    print(f"start to READY=1: p50 {median(times):.2f} s, max {max(times):.2f} s of {BAR_S:g} s, {args.runs} runs")
    return int(max(times) > BAR_S)


def started(bench: Bench, again: bool) -> tuple[float, float]:
    """Seconds from the process's start to READY=1, and the processor's seconds in it."""
    if again:
        bench.restart()
    supervisor = bench.supervisor
    bench.until(lambda: supervisor.since(0, "ready"), "it was never ready")
    worked = Path(f"/proc/{supervisor.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[11:13]
    seconds = sum(int(ticks) for ticks in worked) / os.sysconf("SC_CLK_TCK")
    return supervisor.since(0, "ready")[0].at_s - supervisor.since(0, "start")[0].at_s, seconds


if __name__ == "__main__":
    sys.exit(main())
