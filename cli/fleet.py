"""`fer-edge fleet`: how many kiosks are, pausing and wiping them, and updates in waves with a canary."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..words import counted
from .output import aligned

if TYPE_CHECKING:
    from ..fleet.orders import Answer
    from ..fleet.status import KioskStatus

ACTIONS = {
    "init": "write a first inventory: init FILE",
    "status": "a table of all kiosks, or of those named: status [NAME...]",
    "targets": "print Prometheus' file of targets: targets [NAME...]",
    "pause": "nobody is looked at until `resume`: pause [NAME...]",
    "resume": "the end of a pause: resume [NAME...]",
    "wipe": "remove everything that kiosks have kept: wipe [NAME...] --yes",
    "update": "new software or a new model, a canary first, then in waves: update FOLDER [NAME...] --key NAME.key",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `fleet`."""
    parser.add_argument("action", choices=ACTIONS, help="; ".join(f"{name}: {line}" for name, line in ACTIONS.items()))
    parser.add_argument("words", nargs="*", metavar="WHAT", help="names of kiosks or groups; none: all")
    parser.add_argument(
        "--inventory", type=Path, default=Path("fleet.toml"), metavar="FILE", help="(default: fleet.toml)"
    )
    parser.add_argument("--replace", action="store_true", help="init: overwrite FILE")
    parser.add_argument("--yes", action="store_true", help="wipe: really")
    parser.add_argument("--key", type=Path, metavar="FILE", help="update: sign with this key of `update key`")
    parser.add_argument("--unsigned", action="store_true", help="update: take it whoever made it")
    parser.add_argument(
        "--canary", type=int, default=1, metavar="N", help="update: kiosks of the first wave (default: 1)"
    )
    parser.add_argument(
        "--wave", type=int, default=10, metavar="N", help="update: kiosks of each later one (default: 10)"
    )
    parser.add_argument(
        "--soak", type=float, default=300.0, metavar="S", help="update: a wave is watched so long (default: 300)"
    )


def run(args: argparse.Namespace) -> int:
    """Do what the action says."""
    if args.action == "init":
        return _init(args)
    if args.action == "update":
        return _update(args)
    return {"status": _status, "targets": _targets, "wipe": _wipe}.get(args.action, _pause)(args)


def _init(args: argparse.Namespace) -> int:
    from ..fleet.inventory import write_first_inventory

    if len(args.words) != 1:
        raise UsageError("fleet init takes the file to write", hint="fer-edge fleet init NEW.toml")
    write_first_inventory(Path(args.words[0]), args.replace)
    print(json.dumps({"out": args.words[0]}) if args.json else f"wrote {args.words[0]}")
    return 0


def _status(args: argparse.Namespace) -> int:
    from ..fleet.broker import statuses
    from ..fleet.inventory import load_inventory

    inventory = load_inventory(args.inventory)
    rows = statuses(inventory, inventory.chosen(args.words))
    print(json.dumps([asdict(row) for row in rows]) if args.json else table(rows))
    return 0


def _targets(args: argparse.Namespace) -> int:
    from ..fleet.inventory import load_inventory, targets_json

    inventory = load_inventory(args.inventory)
    print(targets_json(inventory.chosen(args.words)), end="")
    return 0


def _pause(args: argparse.Namespace) -> int:
    from ..fleet.inventory import load_inventory
    from ..fleet.orders import pause

    inventory = load_inventory(args.inventory)
    return _answered(pause(inventory, inventory.chosen(args.words), args.action == "pause"), args.json)


def _wipe(args: argparse.Namespace) -> int:
    from ..fleet.inventory import load_inventory
    from ..fleet.orders import wipe

    inventory = load_inventory(args.inventory)
    kiosks = inventory.chosen(args.words)
    if not args.yes:
        again = " ".join(["fer-edge fleet wipe", *args.words, "--inventory", str(args.inventory), "--yes"])
        names = ", ".join(kiosk.name for kiosk in kiosks)
        raise UsageError(f"nothing was removed: this would remove all that {names} kept, for good", hint=again)
    return _answered(wipe(inventory, kiosks), args.json)


def _update(args: argparse.Namespace) -> int:
    from ..fleet.inventory import load_inventory
    from ..fleet.update import WaveOptions, update_fleet

    if not args.words:
        raise UsageError("fleet update takes a payload or a bundle", hint="fer-edge fleet update --help")
    brought, inventory = Path(args.words[0]).resolve(), load_inventory(args.inventory)
    if not brought.exists():
        raise UsageError(f"{args.words[0]} is not there", hint=f"ls {brought.parent}")
    options = WaveOptions(
        args.canary, args.wave, args.soak, ["--unsigned"] if args.unsigned else [], args.key, _password(args.key)
    )
    say: Callable[[str], None] = (lambda text: None) if args.json else (lambda text: print(text, flush=True))
    done = update_fleet(inventory, inventory.chosen(args.words[1:]), brought, options, say)
    print(json.dumps(asdict(done)) if args.json else f"{counted(len(done.updated), 'kiosk')} updated, all healthy")
    return 0


def _password(key: Path | None) -> Callable[[], str] | None:
    import getpass

    return (lambda: getpass.getpass(f"password of {key}: ")) if sys.stdin.isatty() else None


def _answered(answers: Sequence[Answer], as_json: bool) -> int:
    """Say what became of an order; 1 when one kiosk did not carry it out."""
    if as_json:
        print(json.dumps([asdict(answer) for answer in answers]))
    else:
        print(aligned([(a.name, f"not done: {a.trouble}" if a.trouble else a.said) for a in answers], left=(0, 1)))
    return int(any(answer.trouble for answer in answers))


def table(rows: Sequence[KioskStatus]) -> str:
    """The rows for people, those that are not well with their reason below."""
    head = ("kiosk", "health", "seen", "version", "model", "°C", "disk")
    lines = [
        (r.name, f"{r.health}, paused" if r.paused else r.health, _ago(r.seen_s), r.version or "-", r.model or "-",
         _shown(r.temperature_c, "{:.0f}"), _shown(r.disk_used, "{:.0%}"))
        for r in rows
    ]  # fmt: skip
    why = [f"{row.name}: {row.reason}" for row in rows if row.reason]
    well = sum(row.well for row in rows)
    return "\n".join(
        [aligned([head, *lines], left=(0, 1, 3, 4)), *why, f"{well} of {counted(len(rows), 'kiosk')} well"]
    )


def _ago(seconds: float | None) -> str:
    """How long ago, in the largest unit that fits; a kiosk's clock may be ahead of ours."""
    if seconds is None:
        return "-"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if abs(seconds) >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def _shown(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)
