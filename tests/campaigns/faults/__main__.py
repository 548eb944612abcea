"""The fault campaign: every fault, ten seeded rounds of each, on a real kiosk under a stand-in for systemd.

    PYTHONPATH=tests python -m campaigns.faults [--rounds 10] [--seed N] [--only NAME] [--json FILE]

The camera is an HTTP stream of a real clip, the broker a mosquitto, the disk a small tmpfs, the device a worker with
ONNX Runtime, and for one fault a stand-in for an Edge TPU in a real LiteRT. A round is passed when the kiosk said that
something is wrong where it should, came back to ok without help, lost no observation that it had acknowledged and no
snapshot that it had queued, its store is whole, and the gap in it is no longer than documented. The gap may be longer
by what the machine itself stood still, which a thread of this program measures. Exit code 1: something was missed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic

from conftest import SHARED
from fer_edge.runtime.vision.detectors.weights import add_model

from .campaign import Campaign, all_faults, summary, table
from .fault import Fault

YUNET = SHARED / "weights" / "face_detection_yunet_2023mar.onnx"


def main() -> int:
    """Run it and report."""
    parser = argparse.ArgumentParser(prog="faults", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", action="append", default=[], help="part of a fault's name; can be repeated")
    parser.add_argument("--json", type=Path, help="write the table there, too")
    args = parser.parse_args()
    faults = [f for f in all_faults() if not args.only or any(part in f.name for part in args.only)]
    skipped = {f.name: why for f in faults if (why := f.needs() or no_disk(f))}
    begun = monotonic()
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        prepare(Path(name))
        done = Campaign(args.rounds, args.seed, Path(name), say).run([f for f in faults if f.name not in skipped])
    entries = summary(faults, done, skipped, args.rounds)
    print(table(entries))
    print(f"{monotonic() - begun:.0f} s, seed {args.seed}")
    if args.json:
        told = {"seed": args.seed, "seconds": monotonic() - begun, "faults": entries}
        args.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return int(any(e["passed"] < e["rounds"] for e in entries))


def prepare(folder: Path) -> None:
    """A cache with the detector in it, for every kiosk."""
    os.environ["FER_EDGE_CACHE"] = str(folder / "cache")
    add_model(YUNET)


def no_disk(fault: Fault) -> str:
    """Why there is no small disk to fill; empty when there is, or none is needed."""
    if fault.name != "disk full":
        return ""
    with tempfile.TemporaryDirectory() as name:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", name], capture_output=True, text=True)
        if done.returncode == 0:
            subprocess.run(["umount", name], check=True)
        return f"a small disk cannot be mounted: {done.stderr.strip()}" if done.returncode else ""


def say(line: str) -> None:
    """Progress."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
