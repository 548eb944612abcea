"""`fer-edge update`: new software or a new model for a kiosk, taken back by itself when it does not become healthy."""

from __future__ import annotations

import argparse
import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    from ..devices.update.service import Service

ACTIONS = {
    "pack": "make one file of a payload or a bundle, for a USB stick: pack FOLDER OUT.tar",
    "push": "take it to a kiosk over SSH and apply it there: push HOST FOLDER",
    "apply": "on the kiosk: try it, and go back when it does not become healthy: apply FOLDER",
    "status": "on the kiosk: which release runs",
    "settle": "on the kiosk: go back from an update that was interrupted; it does so by itself at boot",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `update`."""
    parser.add_argument("action", choices=ACTIONS, help="; ".join(f"{name}: {line}" for name, line in ACTIONS.items()))
    parser.add_argument(
        "words", nargs="*", metavar="WHAT", help="pack: FOLDER OUT.tar; push: HOST FOLDER; apply: FOLDER or FILE.tar"
    )
    parser.add_argument("--limit", type=float, default=180.0, metavar="S", help="to become healthy (default: 180)")
    parser.add_argument("--hold", type=float, default=20.0, metavar="S", help="to stay healthy (default: 20)")
    parser.add_argument("--root", type=Path, default=Path("/"), metavar="DIR", help="of the system (default: /)")
    parser.add_argument("--restart", default="", metavar="CMD", help="without systemd: starts the kiosk anew")
    parser.add_argument("--healthy", default="", metavar="CMD", help="without systemd: exits with 0 when it is well")


def run(args: argparse.Namespace) -> int:
    """Do what the action says."""
    wanted = {"pack": 2, "push": 2, "apply": 1}.get(args.action, 0)
    if len(args.words) != wanted:
        line = ACTIONS[args.action].rpartition(": ")[2]
        raise UsageError(f"update {args.action} takes {wanted or 'nothing'} more", hint=f"fer-edge update {line}")
    if bool(args.restart) != bool(args.healthy):
        raise UsageError("--restart and --healthy go together")
    return {"pack": _pack, "push": _push, "apply": _apply, "status": _status, "settle": _settle}[args.action](args)


def _pack(args: argparse.Namespace) -> int:
    from ..devices.update.pack import pack

    folder, out = args.words
    pack(_there(folder), Path(out))
    print(json.dumps({"file": out}) if args.json else f"{out}: {Path(out).stat().st_size / 1e6:.1f} MB")
    return 0


def _push(args: argparse.Namespace) -> int:
    from ..devices.update.push import push

    host, folder = args.words
    options = ["--limit", f"{args.limit:g}", "--hold", f"{args.hold:g}"]
    for name in ("restart", "healthy"):
        options += [f"--{name}", getattr(args, name)] if getattr(args, name) else []
    options += ["--root", str(args.root)] if args.root != Path("/") else []
    said = push(host, _there(folder), options, told=lambda words: None if args.json else print(words, flush=True))
    print(json.dumps({"host": host, "said": said.splitlines()}) if args.json else said.rstrip())
    return 0


def _apply(args: argparse.Namespace) -> int:
    from ..devices.update.apply import apply_update
    from ..devices.update.releases import Releases

    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a connection that breaks must not leave it on trial
    outcome = apply_update(
        Releases(args.root),
        _there(args.words[0]),
        _service(args),
        limit_s=args.limit,
        hold_s=args.hold,
        told=lambda words: None if args.json else print(words, flush=True),
    )
    if args.json:
        print(json.dumps(vars(outcome)))
    return 0


def _there(folder: str) -> Path:
    path = Path(folder).resolve()
    if not path.exists():
        raise UsageError(f"{folder} is not there", hint=f"ls {path.parent}")
    return path


def _service(args: argparse.Namespace) -> Service:
    from ..devices.update.service import CommandService, SystemdService

    if args.root != Path("/") and not args.restart:
        raise UsageError(
            f"in {args.root} systemd starts nothing", hint="fer-edge update --root DIR --restart CMD --healthy CMD"
        )
    return CommandService(args.restart, args.healthy) if args.restart else SystemdService()


def _status(args: argparse.Namespace) -> int:
    from ..devices.update.releases import Releases
    from ..devices.update.trial import running

    releases = Releases(args.root)
    current, trial = releases.current(), running(releases)
    others = sorted(p.name for p in releases.folder.iterdir() if p.name != current)
    if args.json:
        print(json.dumps({"current": current, "others": others, "trial": vars(trial) if trial else None}))
        return 0
    print(f"current: {current}\nothers:  {', '.join(others) or 'none'}")
    if trial is not None:
        print(f"an update from {trial.old} to {trial.new} is on trial, or was interrupted: fer-edge update settle")
    return 0


def _settle(args: argparse.Namespace) -> int:
    from ..devices.update.releases import Releases
    from ..devices.update.trial import settle

    releases = Releases(args.root)
    with releases.alone():
        trial = settle(releases)
        if trial is not None and (args.restart or args.root == Path("/")):
            _service(args).restart()  # it may be the release on trial that still runs
    if args.json:
        print(json.dumps({"settled": vars(trial) if trial else None}))
    else:
        print(f"went back from {trial.new} to {trial.old}" if trial else "nothing was to settle")
    return 0
