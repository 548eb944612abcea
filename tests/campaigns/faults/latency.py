"""From a frame's capture to its snapshot at a listener: `python -m campaigns.faults.latency [--seconds 60]`.

A real camera stream, every sink on, an event stream on loopback. Of the snapshots that were sent because what is told
of the faces had changed: the time from the stamp of the newest frame in it, against the sum of that frame's stages
(taking it over from the capture, detecting, cropping, inferring, smoothing, storing).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import urllib.request
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from conftest import SHARED
from support.brokers import Broker
from support.kiosks import free_port
from support.waiting import until

from .__main__ import prepare
from .camera import Camera
from .kit import config_text

CLIP = SHARED / "clips" / "face-demographics-walking.gif"
BAR = 1.5
MIN_SNAPSHOTS = 20
"""With fewer, percentiles say nothing."""


class Arrivals(threading.Thread):
    """A listener on the event stream: frames of a snapshot -> when it came."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.came: dict[int, float] = {}
        self._url = f"http://127.0.0.1:{port}/api/events"

    def run(self) -> None:
        """Connect until it works, then listen until it ends."""
        stream: Any = until(self._open, "there is no page")
        with suppress(OSError, ValueError), stream:
            for line in stream:
                if line.startswith(b"data: "):
                    now = monotonic()
                    self.came.setdefault(json.loads(line[6:])["frames"], now)

    def _open(self) -> Any:
        with suppress(OSError):
            return urllib.request.urlopen(self._url, timeout=30)
        return None


def main() -> int:
    """Measure and tell; exit code 1 when the bar is missed."""
    parser = argparse.ArgumentParser(prog="campaigns.faults.latency", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="latency-") as name:
        lines, came = measure(Path(name), args.seconds)
    heard = [(line, came[line["frames"]]) for line in lines if line["frames"] in came]
    assert len(heard) >= MIN_SNAPSHOTS, f"only {len(heard)} snapshots were sent for a change"
    for stage in heard[0][0]["stages"]:
        print(f"{stage:8} {1000 * np.mean([line['stages'].get(stage, 0.0) for line, _ in heard]):6.2f} ms on average")
    sums = np.array([sum(line["stages"].values()) for line, _ in heard])
    sent = np.array([line["told_s"] - line["at_s"] for line, _ in heard])
    whole = np.array([at_s - line["at_s"] for line, at_s in heard])
    told = {"sum of stages": sums, "frame to sending": sent, "sending to listener": whole - sent}
    for name, seconds in (*told.items(), ("frame to listener", whole)):
        print(f"{name}: p50 {1000 * np.percentile(seconds, 50):.1f} ms, p90 {1000 * np.percentile(seconds, 90):.1f} ms")
    ratio = float(np.percentile(whole, 90) / np.percentile(sums, 90))
    each = float(np.percentile(whole / sums, 90))
    print(f"p90 to p90 {ratio:.2f} of {BAR}; p90 of the ratios {each:.2f}; {len(heard)} snapshots")
    return int(ratio > BAR)


def measure(folder: Path, seconds: float) -> tuple[list[dict[str, Any]], dict[int, float]]:
    """What was sent, and when it came."""
    prepare(folder)
    camera, broker, page = Camera(CLIP, free_port()), Broker(folder / "broker"), free_port()
    broker.start()
    config, out = folder / "config.toml", folder / "out"
    config.write_text(config_text(folder, [camera.url], broker.port, page, ""), encoding="utf-8")
    arrivals = Arrivals(page)
    arrivals.start()
    try:
        subprocess.run(
            [sys.executable, "-m", "campaigns.faults.observed", str(config), str(out), str(seconds)], check=True
        )
    finally:
        camera.switch_off()
        broker.stop()
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()], arrivals.came


if __name__ == "__main__":
    sys.exit(main())
