"""`fer-edge devices`: the boards and accelerators fer-edge knows, and which of them are here."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..devices.profile import Profile


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `devices`."""
    parser.add_argument("name", nargs="?", metavar="DEVICE", help="all that is known of one")
    parser.add_argument(
        "--root", type=Path, default=Path("/"), metavar="DIR", help="look below this folder instead of /"
    )


def run(args: argparse.Namespace) -> int:
    """List, or show one."""
    from ..bundle import open_bundle
    from ..devices.detect import evidence
    from ..devices.profile import find_profile, load_profiles
    from ..devices.tuned import told

    profiles = [find_profile(args.name)] if args.name else list(load_profiles().values())
    here = {p.name: evidence(p, args.root) for p in profiles}
    if here.get("cpu") and (tuned := told(open_bundle())):
        here["cpu"] += f"; tuned: {tuned}"
    if args.json:
        print(json.dumps([{**asdict(p), "present": here[p.name]} for p in profiles]))
        return 0
    print(f"{'DEVICE':18} {'WHAT':36} {'BACKEND':14} {'PRICE (YEAR)':12} HERE")
    for p in profiles:
        price = f"${p.price_usd} ({p.year})" if p.price_usd else ""
        print(f"{p.name:18} {p.title:36} {p.backend:14} {price:12} {here[p.name] or '-'}")
        if args.name:
            _show(p)
    return 0


def _show(p: Profile) -> None:
    """All that is known of one device."""
    from ..devices.compatibility import describe

    print(f"  also called: {', '.join(p.aliases) or '-'}")
    print(f"  runs: {p.target} {p.precision}" + (f" for {p.chip}" if p.chip else ""))
    for command in p.probe:
        print(f"  look: {command}")
    for limit in p.limits:
        print(f"  know: {limit}")
    for pair in p.pairs:
        print(f"  versions: {describe(pair)}")
    for figure in p.published:
        print(f"  published: {figure['model']} {figure['mean_ms']} ms, {figure['source']}")
