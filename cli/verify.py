"""`fer-edge verify`: the acceptance run that a person with the hardware does, and one JSON file to send us."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..runtime.inference.classifier import Classifier

LEAST_AGREEMENT = 0.9
"""Of the labels on the golden crops, which are not faces and lie closer to the borders between labels."""
REPLUG_S = 120.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `verify`."""
    parser.add_argument("--device", required=True, metavar="NAME", help="from fer-edge devices")
    parser.add_argument("--bundle", metavar="PATH", help="a bundle exported for the device (default: the one inside)")
    parser.add_argument("--seconds", type=float, default=60, metavar="S", help="of load (default: 60)")
    parser.add_argument("--replug", action="store_true", help="then ask to unplug it and plug it in again")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where the result goes (default: verify-NAME.json)")


def run(args: argparse.Namespace) -> int:
    """Doctor, parity, load, replug; 1 when something did not hold."""
    from .. import __version__
    from ..bundle import open_bundle, write_text
    from ..devices.cpu import model_name
    from ..devices.doctor import examine
    from ..devices.profile import find_profile
    from ..runtime.inference import acceptance
    from ..runtime.inference.open_device import open_device

    say = partial(print, file=sys.stderr if args.json else sys.stdout, flush=True)
    profile = find_profile(args.device)
    bundle = open_bundle(args.bundle)
    result: dict[str, Any] = {"fer_edge": __version__, "device": profile.name, "board": model_name()}
    result["doctor"] = [asdict(f) for f in examine(profile)]
    classifier = open_device(profile, bundle)
    try:
        result["backend"] = classifier.describe()
        result["parity"] = acceptance.agreement(classifier, bundle)
        say(f"parity: {result['parity']['label_agreement']:.0%} of {result['parity']['pictures']} labels equal")
        say(f"load: {args.seconds:g} s")
        result["load"] = acceptance.figures(acceptance.work(classifier, args.seconds))
        if args.replug:
            result["replug"] = _replug(classifier, say)
    finally:
        classifier.close()
    good = _judge(result)
    result["passed"] = good
    out = args.out or Path(f"verify-{profile.name}.json")
    write_text(out, json.dumps(result, indent=1) + "\n")
    if args.json:
        print(json.dumps(result))
    else:
        load = result["load"]
        if load["calls"]:
            times = f"p50 {load['p50_ms']:.2f} ms, p90 {load['p90_ms']:.2f} ms"
            say(f"{load['calls']} calls, {times}, {len(load['faults'])} faults")
        say(f"{'passed' if good else 'failed'}; please send us {out}")
    return 0 if good else 1


def _judge(result: dict[str, Any]) -> bool:
    came_back = result.get("replug", {"came_back": True})["came_back"]
    agrees = result["parity"]["label_agreement"] >= LEAST_AGREEMENT
    return bool(agrees and result["load"]["calls"] and not result["load"]["faults"] and came_back)


def _replug(classifier: Classifier, say: Any) -> dict[str, Any]:
    """Work until the device has failed once and answered again, or the time is up."""
    from ..runtime.inference import acceptance

    say(f"unplug the device now, wait for three seconds, and plug it in again ({REPLUG_S:.0f} s)")
    end, faults = monotonic() + REPLUG_S, 0
    while monotonic() < end:
        load = acceptance.work(classifier, 0.2)
        faults += len(load.faults)
        if faults and load.milliseconds and not load.faults:
            say("it is back")
            return {"came_back": True, "faults": faults}
        sleep(0.1)
    return {"came_back": False, "faults": faults}
