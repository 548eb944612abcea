"""What the centre needs a kiosk: processor time, memory, bytes and series at some sizes, and a line through them."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from dataclasses import dataclass, fields
from pathlib import Path
from time import monotonic, sleep

import numpy as np
from support.centre import answered

from .rounds import all_well
from .town import Town, town

PAGE, TICK = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
FAR = 10_000


@dataclass(frozen=True)
class Load:
    """At one size. Processor time in cores, memory in MB, bytes a second on the wire, and counts."""

    kiosks: int
    broker_cores: float
    broker_mb: float
    broker_in: float
    broker_out: float
    broker_files: float
    prometheus_cores: float
    prometheus_mb: float
    series: float
    samples: float


def measure(count: int, seconds: float) -> Load:
    """A town as packaged, that is well and then left alone for so long; snapshots every 10 s, scraped every 30 s."""
    with tempfile.TemporaryDirectory(prefix="town-") as name, town(Path(name), count, 10.0, 30) as (made, _):
        all_well(made)
        sleep(30)
        broker = made.broker.process
        assert broker is not None
        scraper = listening(int(made.prometheus.rpartition(":")[2]))
        begun, before = monotonic(), (spent_s(broker.pid), spent_s(scraper), wire(broker.pid))
        sleep(seconds)
        passed, after = monotonic() - begun, (spent_s(broker.pid), spent_s(scraper), wire(broker.pid))
        load = Load(
            count,
            (after[0] - before[0]) / passed,
            resident_mb(broker.pid),
            (after[2][0] - before[2][0]) / passed,
            (after[2][1] - before[2][1]) / passed,
            len(os.listdir(f"/proc/{broker.pid}/fd")),
            (after[1] - before[1]) / passed,
            resident_mb(scraper),
            one(made, "prometheus_tsdb_head_series") or one(made, 'count({job="fer-edge"})'),
            one(made, "sum(scrape_samples_scraped)"),
        )
    print(load, flush=True)
    return load


def one(made: Town, query: str) -> float:
    """Prometheus' answer, a number; 0 when there is none."""
    found = answered(made.prometheus, query)
    return float(found[0]["value"][1]) if found else 0.0


def listening(port: int) -> int:
    """The process that listens there."""
    said = subprocess.run(["ss", "-Hltnp", f"sport = :{port}"], capture_output=True, text=True, check=True).stdout
    return int(re.findall(r"pid=(\d+)", said)[0])


def spent_s(process: int) -> float:
    """Processor time of all its threads until now, in seconds."""
    words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICK


def resident_mb(process: int) -> float:
    """Of a process, in MB of a million bytes."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * PAGE / 1e6


def wire(process: int) -> tuple[int, int]:
    """Bytes that its open connections got and sent, TLS included, without the headers of TCP; of ended ones, none."""
    said = subprocess.run(["ss", "-HtniOp", "state", "established"], capture_output=True, text=True, check=True).stdout
    own = [line for line in said.splitlines() if f"pid={process}," in line]

    def added(name: str) -> int:
        return sum(int(n) for line in own for n in re.findall(rf"\b{name}:(\d+)", line))

    return added("bytes_received"), added("bytes_acked")


def report(loads: list[Load]) -> str:
    """A table with what each kiosk adds, and what the line through it says of FAR kiosks, which nobody measured."""
    counts = np.array([load.kiosks for load in loads], float)
    head = ["", *(f"{n:.0f}" for n in counts), "a kiosk adds", f"{FAR} (computed)"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for field in fields(Load)[1:]:
        values = np.array([getattr(load, field.name) for load in loads])
        slope, base = np.polyfit(counts, values, 1) if len(loads) > 1 else (values[0] / counts[0], 0.0)
        cells = [field.name, *(f"{v:.4g}" for v in values), f"{slope:.3g}", f"{base + slope * FAR:.4g}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
