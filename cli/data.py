"""`fer-edge data`: what a kiosk has kept, as a summary, as a table, or wiped."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..words import counted

if TYPE_CHECKING:
    from ..runtime.storage.query import KeptEvent, Summary

ACTIONS = {
    "show": "how many rows, of which time, how large, how long they stay",
    "export": "write rows or aggregates as a table",
    "wipe": "remove everything, recordings too, or what is older than a moment, and prove it",
}
FORMATS = ("csv", "jsonl", "parquet")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `data`."""
    parser.add_argument("action", choices=ACTIONS, help="; ".join(f"{name}: {line}" for name, line in ACTIONS.items()))
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the kiosk's [store] folder")
    parser.add_argument(
        "file", type=Path, nargs="?", metavar="FILE", help="export: the same as --out; - is standard output"
    )
    parser.add_argument("--format", choices=FORMATS, default="csv", help="export: (default: csv)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="export: the file to write")
    parser.add_argument("--replace", action="store_true", help="export: overwrite FILE")
    parser.add_argument("--since", type=moment, metavar="DATE", help="export: from this moment on, " + _DATE)
    parser.add_argument("--until", type=moment, metavar="DATE", help="export: up to, but not at this moment")
    parser.add_argument(
        "--aggregate", type=float, metavar="MINUTES", help="export: shares over stretches of this length"
    )
    parser.add_argument(
        "--least", type=int, metavar="N", help="export: leave out moments with fewer faces at once (default: 3)"
    )
    parser.add_argument("--before", type=moment, metavar="DATE", help="wipe: only what is older")
    parser.add_argument("--yes", action="store_true", help="wipe: really")


_DATE = "2026-01-31, or 2026-01-31T18:30, by this machine's clock, or with +01:00"


def run(args: argparse.Namespace) -> int:
    """Do what the action says."""
    if args.out is not None and args.file is not None:
        raise UsageError(f"two files were given, {args.file} and {args.out}", hint="fer-edge data --help")
    args.out = args.out or args.file
    _check(args.action, vars(args))
    return {"show": _show, "export": _export, "wipe": _wipe}[args.action](args)


def _check(action: str, given: Mapping[str, Any]) -> None:
    """Raises UsageError for options that do not go together."""
    for owner, names in {
        "export": ("out", "since", "until", "aggregate", "least", "replace"),
        "wipe": ("before",),
    }.items():
        for name in names:
            if action != owner and given[name] not in (None, False):
                raise UsageError(f"--{name} belongs to data {owner}", hint="fer-edge data --help")
    again = f"fer-edge data {action} {given['folder']}"
    least, minutes, before = (given[name] for name in ("least", "aggregate", "before"))
    if action == "export" and given["out"] is None:
        raise UsageError("data export needs a file to write to", hint=f"{again} observations.{given['format']}")
    if least is not None and (minutes is None or least < 1):
        raise UsageError("--least needs --aggregate and at least 1", hint=f"{again} FILE --aggregate 15 --least 3")
    if minutes is not None and not 0.01 <= minutes <= 527_040:
        raise UsageError(f"--aggregate {minutes:g} is not between 0.01 minutes and a year")
    if action == "wipe" and not given["yes"]:
        from ..runtime.storage.wipe import recordings_to_wipe

        what = f"what is older than {moment_text(before)}" if before is not None else "every observation"
        recorded = ", ".join(map(str, recordings_to_wipe(given["folder"], before)))
        raise UsageError(
            f"nothing was removed: this would remove {what} from {given['folder']}"
            f"{f' and these recordings: {recorded}' if recorded else ''} for good",
            hint=" ".join([again, *(["--before", moment_text(before)] if before is not None else []), "--yes"]),
        )


def moment(text: str) -> int:
    """Milliseconds since 1970 of an ISO date or date and time, in this machine's time zone unless it names another."""
    try:
        return round(datetime.fromisoformat(text.strip().replace("Z", "+00:00")).astimezone().timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(f"{text!r} is no date: {_DATE}") from None


def moment_text(wall_ms: int) -> str:
    """Milliseconds since 1970 as people read them, by this machine's time zone."""
    return datetime.fromtimestamp(wall_ms / 1000).astimezone().isoformat(timespec="seconds")


def _show(args: argparse.Namespace) -> int:
    from ..runtime.storage.query import summary

    seen = summary(args.folder)
    if args.json:
        print(json.dumps(asdict(seen)))
        return 0
    lines = [
        ("observations", f"{seen.rows:,}, in {counted(seen.runs, 'run')}"),
        ("from", moment_text(seen.first_ms) if seen.first_ms is not None else "-"),
        ("to", moment_text(seen.last_ms) if seen.last_ms is not None else "-"),
        ("clock not set", counted(seen.undated, "observation")),
        ("size", f"{seen.bytes / (1 << 20):.1f} MiB"),
        ("kept", _kept(seen)),
        ("closed", "yes" if seen.closed else "no: a kiosk is writing, or it was killed"),
    ]
    for name, value in lines:
        print(f"{name + ':':15} {value}")
    for event in seen.events[-10:]:
        print(f"{moment_text(event.wall_ms)}  run {event.run}: {event.note} ({_amount(event)})")
    for name in seen.set_aside:
        print(f"{'set aside:':15} {name}, which was damaged")
    return 0


def _kept(seen: Summary) -> str:
    days = f"{seen.keep_days:g} day{'s' * (seen.keep_days != 1)}" if seen.keep_days else "of any age"
    return days + (f", up to {seen.keep_mib:g} MiB" if seen.keep_mib else ", of any size")


def _amount(event: KeptEvent) -> str:
    return f"{event.amount / 1000:+.1f} s" if event.kind == "clock" else counted(event.amount, "observation")


def _export(args: argparse.Namespace) -> int:
    from ..runtime.storage.export import MIN_GROUP, STDOUT, ExportOptions, export_history
    from ..runtime.storage.query import FOREVER

    since, until = (
        given if given is not None else end for given, end in zip((args.since, args.until), FOREVER, strict=True)
    )
    least = MIN_GROUP if args.least is None else args.least
    span, minutes = (since, until), args.aggregate
    done = export_history(ExportOptions(args.folder, args.out, args.format, span, minutes, least, args.replace))
    say = partial(print, file=sys.stderr if args.out == STDOUT else sys.stdout)
    if args.json:
        say(json.dumps({"out": str(args.out), "lines": done.lines, "withheld": done.withheld}))
        return 0
    stretches = counted(done.withheld, "stretch", "stretches")
    withheld = f"; {stretches} withheld, never {counted(least, 'face')} at once" if done.withheld else ""
    say(f"{args.out}: {counted(done.lines, 'line')}{withheld}")
    return 0


def _wipe(args: argparse.Namespace) -> int:
    from ..runtime.storage.wipe import wipe

    done = wipe(args.folder, args.before)
    if args.json:
        absent = [str(folder) for folder in done.absent]
        told = {"removed": done.rows, "searched_bytes": done.searched, "recordings": done.recordings, "absent": absent}
        print(json.dumps(told))
        return 0
    rows = "a damaged store" if done.rows is None else counted(done.rows, "observation")
    recordings = f" and {counted(done.recordings, 'recording')}" if done.recordings else ""
    print(f"removed {rows}{recordings}; searched {done.searched} bytes of what is left and found none of them")
    for folder in done.absent:
        print(f"not there, so nothing in it was removed, and sessions were recorded in it: {folder}")
    return 0
