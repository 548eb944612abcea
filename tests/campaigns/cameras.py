"""What several cameras in one kiosk cost: `PYTHONPATH=tests python -m campaigns.cameras [--seconds S] [COUNT…]`.

A real kiosk in a process of its own, with so many IP cameras that give FPS pictures a second of one person. For a count
a line: frames that were served and that a newer one replaced, p90 of the time from capture to the sinks, the daemon's
processor time, and memory as proportional set size, where what processes share is counted once, of daemon and camera.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from time import monotonic, process_time

import cv2
import numpy as np
from conftest import SHARED
from fer_edge.runtime.config import KioskConfig, load_config
from fer_edge.runtime.kiosk.camera import Camera
from fer_edge.runtime.kiosk.kiosk import Kiosk
from fer_edge.runtime.kiosk.systemd import Notifier
from fer_edge.runtime.sources import open_source
from fer_edge.runtime.types import Frame, Observation, Stamped
from support.ip_cameras import IpCamera
from support.kiosks import Running

CLIP = SHARED / "clips" / "head-pose-face-detection-male.gif"
FPS, WARM_S = 5.0, 15.0


class Noting:
    """Between a camera's frames and its sinks: when each was captured, and when it had been served."""

    def __init__(self, camera: Camera) -> None:
        self._camera, self._frames = camera, camera.frames
        self._at_s, self._begin_s = 0.0, monotonic() + WARM_S
        self._before = 0
        self.latency_s: list[float] = []
        camera.frames, camera.sinks = self, [*camera.sinks, self]

    @property
    def dropped(self) -> int:
        """See camera.Frames."""
        return self._frames.dropped

    def ended(self) -> bool:
        """See camera.Frames."""
        return self._frames.ended()

    def take(self, timeout_s: float) -> Stamped | None:
        """The frame, its stamp noted."""
        stamped = self._frames.take(timeout_s)
        if stamped is not None:
            self._at_s = stamped.at_s
            if self._at_s < self._begin_s:
                self._before = self.dropped
        return stamped

    def write(self, frame: Frame, observations: Sequence[Observation]) -> None:
        """The last sink: it has been served."""
        if self._at_s >= self._begin_s:
            self.latency_s.append(monotonic() - self._at_s)

    def close(self) -> None:
        """Nothing is open."""

    def skipped(self) -> int:
        """Frames that a newer one replaced, since it was warm."""
        return self.dropped - self._before


def pss_mb(process: int | str) -> float:
    """Proportional set size of a process, MB."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("Pss:")).split()[1]) / 1024


def inside(path: Path, seconds: float) -> None:
    """The kiosk's process; one JSON line."""

    def read() -> KioskConfig:
        return load_config(path, os.environ, [])

    kiosk = Kiosk(read(), read, Notifier())
    told: dict[str, float] = {}
    try:
        noting = [Noting(camera) for camera in kiosk.daemon.cameras]

        def end() -> None:
            tasks = Path("/proc/self/task").glob("*/children")
            children = [child for task in tasks for child in task.read_text(encoding="ascii").split()]
            told["daemon_mb"] = pss_mb("self")
            told["camera_mb"] = sum(map(pss_mb, children)) / len(noting)
            told["cores"] = (process_time() - spent) / (WARM_S + seconds)
            kiosk.daemon.stop()

        spent = process_time()
        threading.Timer(WARM_S + seconds, end).start()
        kiosk.daemon.run()
        latency_s = [one for note in noting for one in note.latency_s]
        told["served"] = len(latency_s) / seconds / len(noting)
        told["least"] = min(len(note.latency_s) for note in noting) / seconds
        told["skipped"] = sum(note.skipped() for note in noting) / seconds / len(noting)
        told["p90_ms"] = 1000 * float(np.quantile(latency_s, 0.9)) if latency_s else float("nan")
    finally:
        kiosk.close()
    print(json.dumps(told))


def measure(count: int, seconds: float, pictures: Sequence[bytes]) -> dict[str, float]:
    """A kiosk with so many cameras; frames a second are those of each camera."""
    cameras = [IpCamera(lambda number: pictures[number % len(pictures)], 1 / FPS) for _ in range(count)]
    try:
        with tempfile.TemporaryDirectory() as folder:
            urls = {f"camera-{n}": f"http://127.0.0.1:{c.server_port}/" for n, c in enumerate(cameras)}
            running = Running(Path(folder) / "kiosk", urls, "[model]\nthreads = 1\ntune = false\n")
            words = [sys.executable, "-m", "campaigns.cameras", "--inside", running.config, "--seconds", str(seconds)]
            done = subprocess.run(words, stdout=subprocess.PIPE, check=True, text=True)
            return dict(json.loads(done.stdout.splitlines()[-1]))
    finally:
        for camera in cameras:
            camera.switch_off()


def main() -> None:
    """Measure each count and print a line of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts", nargs="*", type=int, default=[1, 2, 4, 8], metavar="COUNT")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.inside:
        inside(args.inside, args.seconds)
        return
    pictures = [cv2.imencode(".jpg", frame.image)[1].tobytes() for frame in open_source(str(CLIP))]
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors", flush=True)
    print(
        "| cameras | frames a second each, served (the least) | replaced | p90 | cores | daemon | a camera's process |"
    )
    print("|---|---|---|---|---|---|---|")
    for count in args.counts:
        m = measure(count, args.seconds, pictures)
        served = f"{m['served']:.2f} ({m['least']:.2f}) | {m['skipped']:.2f} | {m['p90_ms']:.0f} ms | {m['cores']:.2f}"
        print(f"| {count} | {served} | {m['daemon_mb']:.0f} MB | {m['camera_mb']:.0f} MB |", flush=True)


if __name__ == "__main__":
    main()
