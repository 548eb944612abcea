"""A simulated town: `PYTHONPATH=tests python -m campaigns.town [--kiosks 200] [--only ROUND] [--load 50,100,200]`.

Each kiosk is the real daemon with its store, MQTT publisher, page, `/metrics` and health; its camera and model are made
up, and many share a process. The centre is a real mosquitto with packaging/fleet's configuration and a key a kiosk, a
real Prometheus, and `fer-edge fleet`. Exit code 1: a round found something wrong.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from time import monotonic

from .load import measure, report
from .rounds import Outcome, broker_restart, clocks, half_without_power, privacy, tried
from .town import town
from .updates import bad_updates

ROUNDS = (broker_restart, half_without_power, clocks, bad_updates, privacy)


def main() -> int:
    """Run the rounds, or measure the load, and print what was found."""
    parser = argparse.ArgumentParser(prog="town", description=__doc__)
    parser.add_argument("--kiosks", type=int, default=200)
    parser.add_argument("--only", action="append", default=[], help="part of a round's name; can be repeated")
    parser.add_argument("--load", default="", metavar="N,N,…", help="measure the centre's load at these sizes instead")
    parser.add_argument("--seconds", type=float, default=120.0, help="of each measurement of the load")
    args = parser.parse_args()
    if args.load:
        print(report([measure(int(count), args.seconds) for count in args.load.split(",")]))
        return 0
    outcomes, begun = [], monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="town-") as name,
        town(Path(name), args.kiosks, scrape_s=5 if args.kiosks < 50 else 15) as (made, listener),
    ):
        print(f"{args.kiosks} kiosks in {len(made.all_processes())} processes, {monotonic() - begun:.0f} s", flush=True)
        for step in ROUNDS:
            if not args.only or any(part in step.__name__ for part in args.only):
                outcomes.append(tried(step, made, listener))
                say(outcomes[-1])
    print(f"{sum(not o.wrong for o in outcomes)} of {len(outcomes)} rounds passed, {monotonic() - begun:.0f} s")
    return int(any(o.wrong for o in outcomes))


def say(outcome: Outcome) -> None:
    """A line of a round, and one of each thing that is wrong."""
    print(f"{'FAIL' if outcome.wrong else 'pass'}  {outcome.name}: {outcome.counted}", flush=True)
    for line in outcome.wrong[:20]:
        print(f"      {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
