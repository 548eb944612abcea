"""`fer-edge report`: from a recorded session to things people look at."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ..errors import UsageError

CHOICES = ("csv", "windows", "pictures", "jsonl", "markers", "signals", "timeline", "distribution", "figures", "html")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `report`."""
    parser.add_argument("session", type=Path, metavar="SESSION", help="the folder given to `run --out`")
    parser.add_argument(
        "--only",
        metavar="PARTS",
        default="csv,windows,pictures,jsonl,markers,signals,figures,html",
        help=f"comma-separated: {', '.join(CHOICES)} (default: all; csv, jsonl and figures need no plots installed)",
    )
    parser.add_argument(
        "--around",
        type=float,
        default=5.0,
        metavar="S",
        help="figures: seconds before and after each marker (default: 5)",
    )
    parser.add_argument(
        "--unsmoothed",
        action="store_true",
        help="figures: of each frame's own label; beginnings are not late, flicker counts",
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
    if not 0 < args.around <= 3600:
        raise UsageError(f"--around must be seconds, more than 0 and at most 3600, not {args.around:g}")
    from ..runtime.figures.record import FigureOptions
    from ..runtime.report.report import write_report
    from ..runtime.storage.session import open_session

    figures = FigureOptions(args.around, smoothed=not args.unsmoothed)
    made = write_report(open_session(args.session), parts, figures)
    if args.json:
        print(json.dumps({"outputs": [str(p) for p in made]}))
    else:
        for path in made:
            print(f"{path.name + ':':20} {path}")
    return 0
