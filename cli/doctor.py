"""`fer-edge doctor`: what is wrong with a device here, and the one command to run first."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `doctor`."""
    parser.add_argument(
        "--device", metavar="NAME", help="a name from fer-edge devices (default: cpu, and what else is here is named)"
    )
    parser.add_argument("--root", type=Path, default=Path("/"), metavar="DIR", help="read a recorded tree instead")


def run(args: argparse.Namespace) -> int:
    """Look, print, and return 3 when something is wrong."""
    from ..devices.detect import devices_here
    from ..devices.doctor import State, examine
    from ..devices.profile import find_profile, load_profiles

    profile = find_profile(args.device or "cpu")
    findings = []
    for finding in examine(profile, args.root):
        findings.append(finding)
        if not args.json:
            print(f"{finding.state.value:12} {finding.name:22} {finding.seen}", flush=True)
    wrong = [f for f in findings if f.state is State.PROBLEM]
    here = {} if args.device else devices_here(load_profiles().values(), args.root)
    if args.json:
        said = {"device": profile.name, "ok": not wrong, "findings": [asdict(f) for f in findings]}
        print(json.dumps(said if args.device else {**said, "present": list(here)}))
        return 3 if wrong else 0
    if wrong:
        print(f"\nfirst, {wrong[0].name}: {wrong[0].seen}\n  try: {wrong[0].fix}")
    else:
        print(f"\n{profile.title}: nothing is wrong")
    for name, evidence in here.items():
        print(f"\n{name} is here too ({evidence})\n  try: fer-edge doctor --device {name}")
    return 3 if wrong else 0
