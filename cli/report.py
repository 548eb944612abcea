"""`fer-edge report`: from a recorded session to things people look at."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..language import tr, trn
from .output import add_language

if TYPE_CHECKING:
    from ..runtime.rules.dry_run import DryRun
    from ..runtime.storage.session import Session

CHOICES = ("csv", "windows", "pictures", "jsonl", "markers", "signals", "timeline", "distribution", "figures", "html")
RULES = "rules"
"""A part of its own, which needs --rules."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `report`."""
    parser.add_argument("session", type=Path, metavar="SESSION", help="the folder given to `run --out`")
    parser.add_argument(
        "--only",
        metavar="PARTS",
        default="csv,windows,pictures,jsonl,markers,signals,figures,html",
        help=f"comma-separated: {', '.join((*CHOICES, RULES))} "
        "(default: all but rules; csv, jsonl and figures need no plots installed)",
    )
    parser.add_argument(
        "--around",
        type=float,
        default=5.0,
        metavar="S",
        help="figures: seconds before and after each marker (default: 5)",
    )
    parser.add_argument(
        "--rules",
        type=Path,
        metavar="CONFIG",
        help="also say when the [[rule]] of this kiosk's configuration would have told something; nobody is told",
    )
    parser.add_argument(
        "--unsmoothed",
        action="store_true",
        help="figures: of each frame's own label; beginnings are not late, flicker counts",
    )
    add_language(parser)


def run(args: argparse.Namespace) -> int:
    """Write the parts and print their paths."""
    parts = tuple(p.strip() for p in args.only.split(",") if p.strip())
    if RULES in parts and args.rules is None:
        raise UsageError(
            "the part rules needs a configuration with rules", hint=f"fer-edge report {args.session} --rules CONFIG"
        )
    parts = tuple(p for p in parts if p != RULES)
    unknown = [p for p in parts if p not in CHOICES]
    if unknown or not (parts or args.rules):
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
    session = open_session(args.session)
    tried = _tried(session, args.rules) if args.rules else None
    made = [*(write_report(session, parts, figures) if parts else []), *([tried.path] if tried else [])]
    if args.json:
        rules = {"rules": {name: [t for t, _ in times] for name, times in tried.times.items()}} if tried else {}
        print(json.dumps({"outputs": [str(p) for p in made], **rules}))
        return 0
    for path in made:
        print(f"{path.name + ':':20} {path}")
    print("\n".join(_lines(tried)) if tried else "", end="\n" if tried else "")
    return 0


def _tried(session: Session, config: Path) -> DryRun:
    from ..runtime.rules.dry_run import dry_run

    return dry_run(session, config)


def _lines(tried: DryRun) -> list[str]:
    """When each rule would have told something, and for how much of the session it could have."""
    lines = []
    for name, times in tried.times.items():
        when = ", ".join(f"{time_s:.1f} s" for time_s, _ in times[:20])
        more = " " + tr("and {more} more in rules.csv", more=len(times) - 20) if len(times) > 20 else ""
        said = f"{trn(len(times), 'time')}: {when}{more}" if times else tr("never")
        lines.append(f"{tr('rule {name}', name=name) + ':':20} {said}")
    could = tr(
        "in {told} of {seconds} s, when at least {faces} could be read (privacy.least_group)",
        told=f"{tried.told_s:.1f}",
        seconds=f"{tried.seconds:.1f}",
        faces=trn(tried.least_group, "face"),
    )
    return [*lines, f"{tr('rules could tell') + ':':20} {could}"]
