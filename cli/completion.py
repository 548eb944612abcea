"""`fer-edge completion`: the script by which a shell completes verbs, options, choices and file names."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

SHELLS = ("bash", "zsh", "tcsh")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `completion`."""
    parser.add_argument("shell", choices=SHELLS, help="whose script")


def run(args: argparse.Namespace) -> int:
    """Print the script, made from the options of every verb as they are in this version."""
    from ..bundle.extras import load
    from .main import COMMANDS, build_parser

    shtab = load("shtab", "completion")
    parser, _ = build_parser(*COMMANDS)
    _complete_files(parser, shtab.FILE)
    script = shtab.complete(parser, args.shell)
    print(json.dumps({"shell": args.shell, "script": script}) if args.json else script)
    return 0


def _complete_files(parser: argparse.ArgumentParser, files: object) -> None:
    """Mark every option that takes a path: its type is one, or what stands for its value is called so."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                _complete_files(sub, files)
            continue
        if isinstance(action.choices, dict):
            action.choices = tuple(action.choices)  # shtab takes a dictionary for further verbs
        if action.type is Path or action.metavar in ("SOURCE", "BUNDLE", "PATH", "FILE", "NAME|FILE"):
            action.complete = files  # type: ignore[attr-defined]  # shtab's way
