"""`fer-edge data`: what a kiosk has kept, as a summary, as a table, or wiped."""

from __future__ import annotations

import argparse
import json
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from ..errors import UsageError

ACTIONS = {
    "show": "how many rows, of which time, how large, how long they stay",
    "export": "write rows or aggregates as a table",
    "wipe": "remove everything, or what is older than a moment, and prove it",
}
FORMATS = ("csv", "jsonl", "parquet")
LEAST = 3
"""Faces in a stretch of time, below which its aggregate is withheld unless told otherwise; as [privacy] least_group."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `data`."""
    parser.add_argument("action", choices=ACTIONS, help="; ".join(f"{name}: {line}" for name, line in ACTIONS.items()))
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the kiosk's [store] folder")
    parser.add_argument("--format", choices=FORMATS, default="csv", help="export: (default: csv)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="export: the file to write")
    parser.add_argument("--since", type=_moment, metavar="DATE", help="export: from this moment on, " + _DATE)
    parser.add_argument("--until", type=_moment, metavar="DATE", help="export: up to, but not at this moment")
    parser.add_argument(
        "--aggregate", type=float, metavar="MINUTES", help="export: shares over stretches of this length"
    )
    parser.add_argument(
        "--least", type=int, metavar="N", help=f"export: withhold a stretch with fewer faces (default: {LEAST})"
    )
    parser.add_argument("--before", type=_moment, metavar="DATE", help="wipe: only what is older")
    parser.add_argument("--yes", action="store_true", help="wipe: really")


_DATE = "2026-01-31, or 2026-01-31T18:30, by this machine's clock, or with +01:00"


def run(args: argparse.Namespace) -> int:
    """Do what the action says."""
    _check(args)
    return {"show": _show, "export": _export, "wipe": _wipe}[args.action](args)


def _check(args: argparse.Namespace) -> None:
    used = {
        "export": ("out", "since", "until", "aggregate", "least"),
        "wipe": ("before",),
    }
    for action, names in used.items():
        for name in names:
            if args.action != action and getattr(args, name) is not None:
                raise UsageError(f"--{name} belongs to data {action}", hint="fer-edge data --help")
    again = f"fer-edge data {args.action} {args.folder}"
    if args.action == "export" and args.out is None:
        raise UsageError("data export needs a file to write to", hint=f"{again} --out observations.{args.format}")
    if args.least is not None and (args.aggregate is None or args.least < 1):
        raise UsageError(
            "--least needs --aggregate and at least 1", hint=f"{again} --out FILE --aggregate 15 --least 3"
        )
    if args.aggregate is not None and not 0.01 <= args.aggregate <= 527_040:
        raise UsageError(f"--aggregate {args.aggregate:g} is not between 0.01 minutes and a year")
    if args.action == "wipe" and not args.yes:
        what = f"what is older than {_text(args.before)}" if args.before is not None else "every observation"
        raise UsageError(
            f"nothing was removed: this would remove {what} from {args.folder} for good",
            hint=" ".join([again, *(["--before", _text(args.before)] if args.before is not None else []), "--yes"]),
        )


def _moment(text: str) -> int:
    """Milliseconds since 1970 of an ISO date or date and time, in this machine's time zone unless it names another."""
    try:
        return round(datetime.fromisoformat(text.strip().replace("Z", "+00:00")).astimezone().timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(f"{text!r} is no date: {_DATE}") from None


def _text(wall_ms: int) -> str:
    return datetime.fromtimestamp(wall_ms / 1000).astimezone().isoformat(timespec="seconds")


def _show(args: argparse.Namespace) -> int:
    from ..runtime.storage.query import summary

    seen = summary(args.folder)
    if args.json:
        print(json.dumps(seen))
        return 0
    lines = [
        ("observations", f"{seen['rows']:,}, in {seen['runs']} runs"),
        ("from", _text(seen["first_ms"]) if seen["first_ms"] is not None else "-"),
        ("to", _text(seen["last_ms"]) if seen["last_ms"] is not None else "-"),
        ("clock not set", f"{seen['undated']:,} observations"),
        ("size", f"{seen['bytes'] / (1 << 20):.1f} MiB"),
        ("kept", _kept(seen)),
        ("closed", "yes" if seen["closed"] else "no: a kiosk is writing, or it was killed"),
    ]
    for name, value in lines:
        print(f"{name + ':':15} {value}")
    for event in seen["events"][-10:]:
        print(f"{_text(event['wall_ms'])}  run {event['run']}: {event['note']} ({_amount(event)})")
    for name in seen["set_aside"]:
        print(f"{'set aside:':15} {name}, which was damaged")
    return 0


def _kept(seen: dict[str, Any]) -> str:
    days = f"{seen['keep_days']:g} days" if seen["keep_days"] else "of any age"
    return days + (f", up to {seen['keep_mib']:g} MiB" if seen["keep_mib"] else ", of any size")


def _amount(event: dict[str, Any]) -> str:
    return f"{event['amount'] / 1000:+.1f} s" if event["kind"] == "clock" else f"{event['amount']} observations"


def _export(args: argparse.Namespace) -> int:
    from ..runtime.storage.export import export_groups, export_rows
    from ..runtime.storage.query import FOREVER

    span = (
        FOREVER[0] if args.since is None else args.since,
        FOREVER[1] if args.until is None else args.until,
    )
    if args.aggregate is None:
        done = export_rows(args.folder, args.format, args.out, span)
    else:
        least = LEAST if args.least is None else args.least
        done = export_groups(args.folder, args.format, args.out, args.aggregate, least, span)
    if args.json:
        print(json.dumps({"out": str(args.out), "lines": done.lines, "withheld": done.withheld}))
        return 0
    withheld = f"; {done.withheld} stretches withheld, too few faces" if done.withheld else ""
    print(f"{args.out}: {done.lines} lines{withheld}")
    return 0


def _wipe(args: argparse.Namespace) -> int:
    from ..runtime.storage.wipe import wipe

    done = wipe(args.folder, args.before, round(time.time() * 1000))
    if args.json:
        print(json.dumps({"removed": done.rows, "searched_bytes": done.searched}))
        return 0
    rows = "a damaged store" if done.rows is None else f"{done.rows} observations"
    print(f"removed {rows}; searched {done.searched} bytes of what is left and found none of them")
    return 0
