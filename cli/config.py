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
    from ..runtime.config import Examined
    from ..runtime.config.problems import Problem
    from ..runtime.config.sections import Place

ACTIONS = {
    "check": "say what is wrong with it, here and now",
    "show": "print what is in effect, and who set it",
    "init": "write a first file with every key, its declaration of place and purpose filled in",
}
USUAL = Path("/etc/fer-edge/config.toml")
QUESTIONS = {
    "name": "Where will the kiosk stand?",
    "kind": "What sort of place is that?",
    "purpose": "What will its figures be used for?",
}


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


def _examine(args: argparse.Namespace) -> Examined:
    from ..runtime.config import examine

    return examine(args.file, os.environ, args.set)


def _check(args: argparse.Namespace) -> int:
    from ..runtime.config.host_checks import surroundings

    seen = _examine(args)
    if seen.config is not None:
        seen = seen.adding(surroundings(seen.config, args.file))
    if args.json:
        found = {"errors": [_plain(p) for p in seen.errors], "warnings": [_plain(p) for p in seen.warnings]}
        print(json.dumps({"file": str(args.file), "ok": not seen.errors, **found}))
        return 2 if seen.errors else 0
    for problem in [*seen.errors, *seen.warnings]:
        print(f"{'wrong' if problem.serious else 'warning'}: {problem}")
        if problem.hint:
            print(f"  try: {problem.hint}")
    warned = f", warnings: {len(seen.warnings)}" if seen.warnings else ""
    print(f"{args.file}: {f'{len(seen.errors)} wrong' if seen.errors else 'ok'}{warned}")
    return 2 if seen.errors else 0


def _plain(problem: Problem) -> dict[str, str]:
    return {name: getattr(problem, name) for name in ("where", "key", "what", "hint")}


def _show(args: argparse.Namespace) -> int:
    """What is in effect, although relations or a declaration may be missing; values must be right."""
    from ..runtime.config.rendering import effective_json, effective_toml

    seen = _examine(args)
    if seen.config is None:
        raise seen.refusal()
    if args.json:
        print(json.dumps({"file": str(args.file), **effective_json(seen.config, seen.origins)}))
    else:
        print(effective_toml(seen.config, seen.origins), end="")
    if seen.errors:
        again = f"fer-edge config check {args.file}"
        print(f"fer-edge: the kiosk does not start with this\n  try: {again}", file=sys.stderr)
    return 0


def _init(args: argparse.Namespace) -> int:
    from ..bundle import write_text
    from ..runtime.config.rendering import first_toml

    if os.path.exists(args.file) and not args.replace:
        raise UsageError(f"{args.file} is there already", hint=f"fer-edge config init {args.file} --replace")
    place = _declare(args)
    write_text(args.file, first_toml(place))
    again = f"fer-edge config check {args.file}"
    print(json.dumps({"out": str(args.file)}) if args.json else f"{args.file} is written; next: {again}")
    return 0


def _declare(args: argparse.Namespace) -> Place:
    """The declaration from the options, or from a person at a terminal; raises UsageError when it may not be."""
    from datetime import datetime

    from ..runtime.config.declaration import refusal
    from ..runtime.config.rules import declared
    from ..runtime.config.sections import Place

    missing = [name for name in QUESTIONS if not getattr(args, name)]
    if missing and not sys.stdin.isatty():
        options = ", ".join("--place" if name == "name" else f"--{name}" for name in missing)
        hint = f"fer-edge config init {args.file} --place NAME --kind KIND --purpose TEXT"
        raise UsageError(f"place and purpose have to be declared: {options} missing", hint=hint)
    said = {name: _fitting(name, getattr(args, name)) if getattr(args, name) else _ask(name) for name in QUESTIONS}
    said["purpose_exception"] = args.exception or ""
    why = refusal(said["kind"], said["purpose_exception"])
    if why and "kind" in missing:
        print(f"{why}.", file=sys.stderr)
        said["purpose_exception"] = _ask("purpose_exception")
    place = Place(**said, declared=datetime.now().astimezone().date())
    for problem in (p for p in declared(place) if p.serious):
        raise UsageError(f"{problem.key} {problem.what}", hint="--exception medical or safety, if that is the reason")
    return place


def _ask(name: str) -> str:
    """An answer that fits the key, asked for until there is one."""
    from ..runtime.config.sections import entries
    from ..runtime.config.values import allowed

    question = QUESTIONS.get(name, "Is it for one of these reasons? Leave it empty if it is not.")
    while True:
        print(f"{question} ({allowed(entries()[f'place.{name}'])})\n> ", end="", file=sys.stderr, flush=True)
        answer = sys.stdin.readline()
        if not answer:
            raise UsageError("place and purpose have to be declared, and nothing was answered")
        try:
            text = _fitting(name, answer)
        except UsageError as error:
            print(error, file=sys.stderr)
            continue
        if text or name not in QUESTIONS:
            return text


def _fitting(name: str, text: str) -> str:
    """A text of the declaration without blanks around it; raises UsageError when the key does not take it."""
    from ..runtime.config.sections import entries
    from ..runtime.config.values import parsed

    try:
        return str(parsed(entries()[f"place.{name}"], text.strip(), Path.cwd()))
    except ValueError as error:
        raise UsageError(f"place.{name} {error}") from None
