"""`fer-edge config`: is the kiosk's configuration right, what is in effect, and a first file."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    from ..runtime.config.keys import Problem

ACTIONS = {
    "check": "say what is wrong with it, here and now",
    "show": "print what is in effect, and who set it",
    "init": "write a first file with every key, its declaration of place and purpose filled in",
}
USUAL = Path("/etc/fer-edge/config.toml")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `config`."""
    from ..runtime.config.declaration import EXCEPTIONS, KINDS

    parser.add_argument("action", choices=ACTIONS, help="; ".join(f"{name}: {line}" for name, line in ACTIONS.items()))
    parser.add_argument("file", type=Path, nargs="?", default=USUAL, metavar="FILE", help=f"(default: {USUAL})")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="check, show: as mqtt.host=broker; repeatable"
    )
    parser.add_argument("--place", dest="name", metavar="NAME", help="init: where the kiosk stands")
    parser.add_argument("--kind", choices=KINDS, help="init: what sort of place that is")
    parser.add_argument("--purpose", metavar="TEXT", help="init: what its figures are used for")
    parser.add_argument(
        "--exception", choices=EXCEPTIONS, help="init: the reason, if it is one that Art. 5(1)(f) of the AI Act excepts"
    )
    parser.add_argument("--replace", action="store_true", help="init: overwrite FILE")


def run(args: argparse.Namespace) -> int:
    """Do what the action says."""
    given = [name for name in ("name", "kind", "purpose", "exception", "replace") if getattr(args, name)]
    if args.action != "init" and given:
        option = "place" if given[0] == "name" else given[0]
        raise UsageError(f"--{option} belongs to config init", hint="fer-edge config --help")
    if args.action == "init" and args.set:
        raise UsageError("--set belongs to config check and show", hint="fer-edge config --help")
    return {"check": _check, "show": _show, "init": _init}[args.action](args)


def _check(args: argparse.Namespace) -> int:
    from ..runtime.config.host_checks import check_config

    result = check_config(args.file, os.environ, args.set)
    if args.json:
        found = {"errors": [_plain(p) for p in result.errors], "warnings": [_plain(p) for p in result.warnings]}
        failed = result.first_error().as_mapping() if result.errors else {}
        print(json.dumps({"file": str(args.file), "ok": not result.errors, **found, **failed}))
        return 2 if result.errors else 0
    for problem in [*result.errors, *result.warnings]:
        print(f"{'wrong' if problem.serious else 'warning'}: {problem}")
        if problem.hint:
            print(f"  try: {problem.hint}")
    warned = f", warnings: {len(result.warnings)}" if result.warnings else ""
    print(f"{args.file}: {f'{len(result.errors)} wrong' if result.errors else 'ok'}{warned}")
    return 2 if result.errors else 0


def _plain(problem: Problem) -> dict[str, str]:
    return {name: getattr(problem, name) for name in ("where", "key", "what", "hint")}


def _show(args: argparse.Namespace) -> int:
    """What is in effect, although rules or a declaration may be broken; values must be right."""
    from ..runtime.config import read_config
    from ..runtime.config.rendering import effective_json, effective_toml

    result = read_config(args.file, os.environ, args.set)
    if result.config is None:
        raise result.first_error()
    if args.json:
        print(json.dumps({"file": str(args.file), **effective_json(result.config, result.origins)}))
    else:
        print(effective_toml(result.config, result.origins), end="")
    if result.errors:
        again = f"fer-edge config check {args.file}"
        print(f"fer-edge: the kiosk does not start with this\n  try: {again}", file=sys.stderr)
    return 0


def _init(args: argparse.Namespace) -> int:
    from ..runtime.config.create import Declaration, create_config

    given = Declaration(args.name or "", args.kind or "", args.purpose or "", args.exception or "")
    create_config(args.file, given, replace=args.replace, ask=_ask if sys.stdin.isatty() else None)
    again = f"fer-edge config check {args.file}"
    print(json.dumps({"out": str(args.file)}) if args.json else f"{args.file} is written; next: {again}")
    return 0


def _ask(question: str) -> str:
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline()
