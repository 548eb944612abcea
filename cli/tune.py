"""`fer-edge tune`: which of the ways to run a model on this processor is fastest; `run` takes it from then on."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `tune`."""
    parser.add_argument("--bundle", type=Path, metavar="PATH", help="model bundle (default: the one inside fer-edge)")
    parser.add_argument("--threads", type=int, metavar="N", help="time only so many threads (default: 1, 2, up to 4)")
    parser.add_argument("--seconds", type=float, default=1.0, metavar="S", help="of each way (default: 1)")


def run(args: argparse.Namespace) -> int:
    """Time, keep, and say what was chosen."""
    from ..errors import UsageError
    from ..runtime.inference.tune import TuneOptions, tune

    if args.seconds <= 0 or (args.threads is not None and args.threads < 1):
        raise UsageError("--seconds and --threads must be positive")
    say = partial(print, file=sys.stderr if args.json else sys.stdout, flush=True)
    found = tune(TuneOptions(args.bundle, args.seconds, args.threads), say)
    if args.json:
        print(json.dumps({**asdict(found), "timings": [asdict(t) for t in found.timings]}))
        return 0
    for way, why in found.left_out.items():
        print(f"left out: {way}: {why}")
    print(f"chosen, and kept for fer-edge run: {found.chosen}")
    return 0
