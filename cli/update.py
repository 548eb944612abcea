"""`fer-edge update`: new software or a new model for a kiosk, taken back by itself when it does not become healthy."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    from ..devices.update.apply import UpdateOptions

ACTIONS = {
    "key": "make a pair of keys, to sign updates with and to flash cards with: key NAME",
    "pack": "make one signed file of a payload or a bundle, for a USB stick: pack FOLDER OUT.tar --key NAME.key",
    "push": "take it to a kiosk over SSH and apply it there: push HOST FOLDER --key NAME.key",
    "publish": "put it, signed, into a folder that kiosks ask by HTTPS: publish FOLDER DIR --key NAME.key",
    "pull": "on the kiosk: ask such a folder, and apply what is newer: pull https://HOST/FOLDER/",
    "apply": "on the kiosk: try it, and go back when it does not become healthy: apply FILE.tar",
    "status": "on the kiosk: which release runs",
    "settle": "on the kiosk: go back from an update that was interrupted; it does so by itself at boot",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `update`."""
    parser.add_argument("action", choices=ACTIONS, help="; ".join(f"{name}: {line}" for name, line in ACTIONS.items()))
    parser.add_argument(
        "words", nargs="*", metavar="WHAT", help="pack: FOLDER OUT.tar; push: HOST FOLDER; apply: FILE.tar or FOLDER"
    )
    parser.add_argument(
        "--key", type=Path, metavar="FILE", help="pack, push, publish: sign with this key of `update key`"
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="publish: for this kiosk alone; may be repeated"
    )
    parser.add_argument("--name", default="", metavar="NAME", help="pull: this kiosk's (default: its host name)")
    parser.add_argument("--older", action="store_true", help="pull: take one that is older than the last")
    parser.add_argument("--again", action="store_true", help="pull: try one once more that was taken back")
    parser.add_argument("--unsigned", action="store_true", help="push, apply: take it whoever made it")
    parser.add_argument("--limit", type=float, default=180.0, metavar="S", help="to become healthy (default: 180)")
    parser.add_argument("--hold", type=float, default=20.0, metavar="S", help="to stay healthy (default: 20)")
    parser.add_argument("--root", type=Path, default=Path("/"), metavar="DIR", help="of the system (default: /)")
    parser.add_argument("--restart", default="", metavar="CMD", help="without systemd: starts the kiosk anew")
    parser.add_argument("--healthy", default="", metavar="CMD", help="without systemd: exits with 0 when it is well")


def run(args: argparse.Namespace) -> int:
    """Do what the action says."""
    wanted = {"key": 1, "pack": 2, "push": 2, "publish": 2, "pull": 1, "apply": 1}.get(args.action, 0)
    if len(args.words) != wanted:
        line = ACTIONS[args.action].rpartition(": ")[2]
        raise UsageError(f"update {args.action} takes {wanted or 'nothing'} more", hint=f"fer-edge update {line}")
    if bool(args.restart) != bool(args.healthy):
        raise UsageError("--restart and --healthy go together")
    actions = {"key": _key, "pack": _pack, "push": _push, "publish": _publish, "pull": _pull, "apply": _apply}
    return {**actions, "status": _status, "settle": _settle}[args.action](args)


def _key(args: argparse.Namespace) -> int:
    from ..devices.update.signature import make_keys

    secret, public = make_keys(Path(args.words[0]))
    text = f"{secret} signs: keep it to yourself\n{public} is for cards: fer-edge flash --update-key {public}"
    print(json.dumps({"secret": str(secret), "public": str(public)}) if args.json else text)
    return 0


def _pack(args: argparse.Namespace) -> int:
    from ..devices.update.pack import pack
    from ..devices.update.signature import sign

    folder, out = args.words
    pack(_there(folder), Path(out))
    signature = None if args.key is None else sign(Path(out), args.key, _password(args.key))
    beside = f"take {signature} along" if signature else "not signed, so a kiosk takes it with --unsigned alone"
    answer = {"file": out, "signature": str(signature) if signature else None}
    print(json.dumps(answer) if args.json else f"{out}: {Path(out).stat().st_size / 1e6:.1f} MB; {beside}")
    return 0


def _password(key: Path) -> Callable[[], str] | None:
    import getpass

    return (lambda: getpass.getpass(f"password of {key}: ")) if sys.stdin.isatty() else None


def _push(args: argparse.Namespace) -> int:
    from ..devices.update.push import push

    host, folder = args.words
    words, say = _options(**vars(args)).words(), _printer(args.json)
    said = push(host, _there(folder), words, on_message=say, key=args.key, password=_password(args.key))
    print(json.dumps({"host": host, "said": said.splitlines()}) if args.json else said.rstrip())
    return 0


def _publish(args: argparse.Namespace) -> int:
    from ..devices.update.published import publish

    folder, out = args.words
    if args.key is None:
        hint = f"fer-edge update publish {folder} {out} --key NAME.key"
        raise UsageError("update publish needs a key: kiosks take signed updates only", hint=hint)
    found = publish(_there(folder), Path(out), args.key, args.only, _password(args.key))
    words = f"update {found.number}: {found.file}, {found.size / 1e6:.1f} MB, for {', '.join(found.only) or 'all'}"
    print(json.dumps(asdict(found)) if args.json else words)
    return 0


def _pull(args: argparse.Namespace) -> int:
    from ..devices.update.pull import PullOptions, pull
    from ..devices.update.releases import Releases

    _stay_when_the_connection_breaks()
    options = _options(**vars(args))
    asked = PullOptions(args.words[0], args.name, args.older, args.again)
    done = pull(Releases(options.root), asked, options, _printer(args.json))
    if args.json:
        print(json.dumps(asdict(done)))
    elif done.nothing:
        print(done.nothing)
    return 0


def _stay_when_the_connection_breaks() -> None:
    """A connection that breaks must not leave an update on trial."""
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _apply(args: argparse.Namespace) -> int:
    from ..devices.update.apply import apply_update
    from ..devices.update.releases import Releases

    _stay_when_the_connection_breaks()
    options, brought = _options(**vars(args)), _there(args.words[0])
    outcome = apply_update(
        Releases(options.root), brought, options.service(),
        limit_s=options.limit_s, hold_s=options.hold_s, unsigned=options.unsigned, on_message=_printer(args.json),
    )  # fmt: skip
    if args.json:
        print(json.dumps(vars(outcome)))
    return 0


def _options(
    root: Path, restart: str, healthy: str, limit: float, hold: float, unsigned: bool, **others: object
) -> UpdateOptions:
    from ..devices.update.apply import UpdateOptions

    return UpdateOptions(root, restart, healthy, limit, hold, unsigned)


def _printer(quiet: bool) -> Callable[[str], None]:
    return lambda text: None if quiet else print(text, flush=True)


def _there(folder: str) -> Path:
    path = Path(folder).resolve()
    if not path.exists():
        raise UsageError(f"{folder} is not there", hint=f"ls {path.parent}")
    return path


def _status(args: argparse.Namespace) -> int:
    from ..devices.update.releases import Releases
    from ..devices.update.trial import status

    found = status(Releases(args.root))
    if args.json:
        print(json.dumps(asdict(found)))
        return 0
    print(f"current: {found.current}\nothers:  {', '.join(found.others) or 'none'}")
    print(
        f"takes:   {f'what {found.key} signed' if found.key else 'updates with --unsigned, for it has no update key'}"
    )
    if (trial := found.trial) is not None:
        print(f"an update from {trial.old} to {trial.new} is on trial, or was interrupted: fer-edge update settle")
    return 0


def _settle(args: argparse.Namespace) -> int:
    from ..devices.update.apply import settle_kiosk

    trial = settle_kiosk(_options(**vars(args)))
    if args.json:
        print(json.dumps({"settled": vars(trial) if trial else None}))
    else:
        print(f"went back from {trial.new} to {trial.old}" if trial else "nothing was to settle")
    return 0
