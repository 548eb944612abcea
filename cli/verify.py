"""`fer-edge verify`: the acceptance run that a person with the hardware does, and one JSON file to send us."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path

from ..words import counted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `verify`."""
    parser.add_argument("--device", required=True, metavar="NAME", help="from fer-edge devices")
    parser.add_argument("--bundle", metavar="PATH", help="a bundle exported for the device (default: the one inside)")
    parser.add_argument("--seconds", type=float, default=60, metavar="S", help="of load (default: 60)")
    parser.add_argument("--replug", action="store_true", help="then ask to unplug it and plug it in again")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where the result goes (default: verify-NAME.json)")


def run(args: argparse.Namespace) -> int:
    """Doctor, parity, load, replug; 1 when something did not hold."""
    from ..bundle import write_text
    from ..runtime.inference.acceptance import AcceptanceOptions, accept

    say = partial(print, file=sys.stderr if args.json else sys.stdout, flush=True)
    found = accept(AcceptanceOptions(args.device, args.bundle, args.seconds, args.replug), say)
    out = args.out or Path(f"verify-{found.device}.json")
    write_text(out, json.dumps(found.as_mapping(), indent=1) + "\n")
    if args.json:
        print(json.dumps(found.as_mapping()))
    else:
        load = found.load
        if load["calls"]:
            times = f"p50 {load['p50_ms']:.2f} ms, p90 {load['p90_ms']:.2f} ms"
            say(f"{counted(load['calls'], 'call')}, {times}, {counted(len(load['faults']), 'fault')}")
        say(f"{'passed' if found.passed else 'failed'}; please send us {out}")
    return 0 if found.passed else 1
