"""So many frames through a whole kiosk with every sink on: a store, a broker, a page with a listener, a recording.

    PYTHONPATH=tests python -m campaigns.soak --frames 200000 [--width 320] [--json FILE]

It takes its frames as fast as it can. Said at the end, and by exit code 1 when one is missed: the growth of resident
memory over the second half (least squares, with its standard error), its peak, and the growth of descriptors and
threads. Settings that make it fast are in CONFIG below; everything else is a kiosk's default.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from conftest import SHARED
from fer_edge.runtime.vision.detectors.weights import add_model
from support.brokers import Broker
from support.kiosks import PLACE, free_port
from support.waiting import until

from .sampling import Sample, growth, sample
from .visitors import Listener, ask_record, scrape

EVERY_S = 2.0
CLIP = SHARED / "clips" / "head-pose-face-detection-male.gif"
YUNET = SHARED / "weights" / "face_detection_yunet_2023mar.onnx"
BARS = {"rss_slope_mb_per_100k": 1.0, "rss_peak_mb": 250.0, "files_growth": 0.0, "threads_growth": 0.0}
RECORDED = ((0.05, 0.08), (0.15, 0.18), (0.25, 0.28), (0.35, 0.38), (0.6, 0.63), (0.8, 0.83))
"""Shares of the frames between which a session is recorded, with its video. An encoder's memory takes some recordings
to settle (the first brings 32 MB, its libraries most of them, the next two 5 MB): most of them are in the warm-up."""
CONFIG = """
[source]
what = "demo"
[model]
detector = "yunet"
detect_every = 10
threads = 1
[work]
infer_fps = 2
[store]
folder = "{folder}/store"
[record]
on = true
folder = "{folder}/sessions"
video = true
minutes = 60
[privacy]
least_group = 1
[baseline]
on = true
[mqtt]
host = "127.0.0.1"
port = {broker}
interval_s = 1
[web]
port = {page}
[log]
level = "warning"
"""


def main() -> int:
    """Run it, and print what was measured."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--frames", type=int, default=200_000)
    parser.add_argument("--width", type=int, default=320, help="of the frames, pixels")
    parser.add_argument("--json", type=Path, help="write results and samples there")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        told, samples = soak(Path(name), args.frames, args.width)
    if args.json:
        args.json.write_text(json.dumps({**told, "trace": [asdict(s) for s in samples]}, indent=1) + "\n")
    missed = [f"{name} {told[name]:.2f} > {bar:g}" for name, bar in BARS.items() if told[name] > bar]
    for name, value in told.items():
        print(f"{name:24} {value:.2f}" if isinstance(value, float) else f"{name:24} {value}")
    print("missed: " + ", ".join(missed) if missed else "all held")
    return int(bool(missed))


def soak(folder: Path, frames: int, width: int) -> tuple[dict[str, Any], list[Sample]]:
    """What was measured, and the samples; raises AssertionError when the kiosk failed."""
    page, broker = free_port(), Broker(folder / "broker")
    broker.start()
    config = folder / "config.toml"
    config.write_text(PLACE + CONFIG.format(folder=folder, broker=broker.port, page=page), encoding="utf-8")
    os.environ["FER_EDGE_CACHE"] = str(folder / "cache")
    add_model(YUNET)
    words = [sys.executable, "-m", "campaigns.soak.kiosk", str(config), str(CLIP), str(width), str(frames)]
    begun = monotonic()
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as kiosk:
        try:
            samples = watch(kiosk, page, frames)
            out, _ = kiosk.communicate(timeout=60)
        finally:
            kiosk.kill()
            broker.stop()
    assert kiosk.returncode == 0, "the kiosk failed"
    seconds = monotonic() - begun
    told = json.loads(out.splitlines()[-1])
    assert told["frames"] == frames
    about = {"width": width, "seconds": seconds, "frames_per_second": frames / seconds}
    return {**told, **about, **growth(samples, frames)}, samples


def watch(kiosk: subprocess.Popen[str], port: int, frames: int) -> list[Sample]:
    """Sample until it ends, scrape, and record when it is time."""
    until(lambda: scrape(port) or kiosk.poll() is not None, "there is no page")
    listener, samples, recording = Listener(port), list[Sample](), False
    shown = 0.0
    while kiosk.poll() is None:
        scrape(port)
        seen = sample(kiosk.pid, listener.frames)
        if seen is None:
            break
        samples.append(seen)
        wanted = any(a <= listener.frames / frames < b for a, b in RECORDED)
        if wanted is not recording:
            ask_record(port, wanted)
            recording = wanted
        if monotonic() - shown > 60:
            shown = monotonic()
            about = f"{seen.rss / 1e6:.1f} MB, {seen.files} files, {seen.threads} threads, {listener.events} events"
            print(f"{listener.frames} frames: {about}", file=sys.stderr, flush=True)
        sleep(EVERY_S)
    return samples


if __name__ == "__main__":
    sys.exit(main())
