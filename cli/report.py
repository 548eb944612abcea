"""`fer-edge report`: from a recorded session to things people look at."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ..errors import UsageError

CHOICES = ("csv", "windows", "pictures", "jsonl", "markers", "signals", "timeline", "distribution", "html")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `report`."""
    parser.add_argument("session", type=Path, metavar="SESSION", help="the folder given to `run --out`")
    parser.add_argument(
        "--only",
        metavar="PARTS",
        default="csv,windows,pictures,jsonl,markers,signals,html",
        help=f"comma-separated: {', '.join(CHOICES)} (default: all; csv and jsonl need no plots installed)",
    )


def run(args: argparse.Namespace) -> int:
    """Write the parts and print their paths."""
    parts = tuple(p.strip() for p in args.only.split(",") if p.strip())
    unknown = [p for p in parts if p not in CHOICES]
    if unknown or not parts:
        raise UsageError(
            f"there is no part {', '.join(unknown) or 'named'}",
            cause="parts: " + ", ".join(CHOICES),
            hint=f"fer-edge report {args.session} --only csv",
        )
    from ..runtime.report.report import write_report
    from ..runtime.storage.session import open_session

    made = write_report(open_session(args.session), parts)
    if args.json:
        print(json.dumps({"outputs": [str(p) for p in made]}))
    else:
        for path in made:
            print(f"{path.name + ':':20} {path}")
    return 0
