"""`fer-edge <verb>`: finds the command, runs it, and turns errors into one message and an exit code."""

from __future__ import annotations

import argparse
import errno
import importlib
import io
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from .. import __version__
from ..errors import FerEdgeError, OutputError, UsageError
from ..files import give_a_home
from ..language import ENGLISH, speaking, wished
from .examples import examples_of

COMMANDS = {
    "run": "watch a video, pictures, a camera or the demo, and record the expressions seen",
    "batch": "an archive of videos: every file a session, all of them one table; it goes on where it was ended",
    "report": "make plots, tables and a page from a recorded session",
    "study": "a folder that sessions join: subjects, their consent, conditions and markers",
    "compare": "a study's sessions against each other: conditions, groups, a subject over time",
    "train": "train a model on labelled faces and pack it into a bundle",
    "export": "turn a bundle into other devices' formats, each proven equal before it leaves",
    "build-engine": "on a Jetson: build the TensorRT engine for this GPU from an exported bundle",
    "evaluate": "measure a bundle or checkpoint on labelled faces, by group, over seeds or folds, or live",
    "sweep": "train the published grids, resumable and shared between machines",
    "reproduce": "repeat the published study, smaller, and write its tables with ours beside them",
    "bundle": "check a model bundle, or show what is in it",
    "devices": "list the boards and accelerators that are known, and which of them are here",
    "doctor": "say what is wrong with a device here, and the one command to run first",
    "tune": "time what is installed here on this processor, and let run take the fastest",
    "verify": "the acceptance run on a device that you have, and one file to send us",
    "benchmark": "measure devices and models here, compare two runs, or estimate a device that is not here",
    "config": "check the kiosk's configuration, show what is in effect, or write a first file",
    "data": "show, export or wipe what a kiosk has kept",
    "flash": "make a card that boots into the kiosk, from a stock image of an operating system",
    "update": "new software or a new model for a kiosk, taken back when it does not become healthy",
    "fleet": "how many kiosks are; pause, wipe and update them, a canary first, then in waves",
    "models": "fetch, add or list the face detector's weights",
    "completion": "print the script that lets your shell complete verbs, options and file names",
}
"""Verb -> its line in the help; the module of the same name in this package has `add_arguments` and `run`."""
NO_WINDOW = "there is no window to show pictures in; --out DIR --video records them, the kiosk's page shows them live"
_stopped_by = [signal.SIGINT]


class Parser(argparse.ArgumentParser):
    """argparse with fer-edge's kind of error: what is wrong, then one command to try."""

    def error(self, message: str) -> NoReturn:
        """Raise the error; `main` says it and exits with 2."""
        import difflib

        unknown = [w for w in message.removeprefix("unrecognized arguments: ").split() if w.startswith("--")]
        options = [o for a in self._actions for o in a.option_strings]
        near = difflib.get_close_matches(unknown[0].split("=")[0], options, n=1) if unknown else []
        meant = NO_WINDOW if "--show" in unknown else f"did you mean {near[0]}?" if near else ""
        raise UsageError(f"{message}; {meant}" if meant else message, hint=f"{self.prog} --help")


def _module(verb: str) -> ModuleType:
    return importlib.import_module(f"{__package__}.{verb.replace('-', '_')}")


def build_parser(*verbs: str, others: bool = True) -> tuple[Parser, Parser]:
    """The parser, and that of the last of `verbs`; only their options are filled in: help needs no heavy import.

    Args:
        others: it knows the other verbs, too, as its help must; they take 8 ms.
    """
    parser = chosen = Parser(prog="fer-edge", description=_ABOUT, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"fer-edge {__version__}")
    subparsers = parser.add_subparsers(dest="verb", metavar="<verb>", parser_class=Parser)
    for name, line in COMMANDS.items():
        if not others and name not in verbs:
            continue
        sub = subparsers.add_parser(
            name,
            help=line,
            description=line[0].upper() + line[1:] + ".",
            epilog=examples_of(name),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        sub.add_argument("--debug", action="store_true", help="show tracebacks and the libraries' own messages")
        sub.add_argument("--json", action="store_true", help="print the result as one JSON object, a failure too")
        if name in verbs:
            chosen = sub
            _module(name).add_arguments(sub)
    return parser, chosen


_ABOUT = "Facial expression recognition on low-cost hardware: train, pack, run, report."


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code (0 done, 1 failed check, 2 usage or input, 3 absent, 4 device failed)."""
    words = list(sys.argv[1:] if argv is None else argv)
    as_json, debug = "--json" in words, "--debug" in words
    try:
        return _run(words)
    except FerEdgeError as error:
        return explain(error, debug, as_json)
    except KeyboardInterrupt:
        return explain(_Interrupted("interrupted"), False, as_json)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader went away; nothing more to say to it
        return 0
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return explain(_no_room(error) if full else _unexpected(error, debug), debug, as_json)
    except Exception as error:
        return explain(_unexpected(error, debug), debug, as_json)


def _run(words: Sequence[str]) -> int:
    verb = next((w for w in words if not w.startswith("-")), None)
    parser, chosen = build_parser(*[verb] if verb in COMMANDS else [], others=verb not in COMMANDS or verb != words[0])
    if not words:
        parser.print_help()
        return 0
    args, rest = parser.parse_known_args(words)
    if rest:
        chosen.error(f"unrecognized arguments: {' '.join(rest)}")
    if args.verb is None:
        parser.error("no verb was given")
    if not args.debug:
        os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # whoever imports it first
    give_a_home()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name may hold what the terminal's encoding cannot say
    signal.signal(signal.SIGTERM, _interrupt)
    chosen_language = wished(args.lang, os.environ) if "lang" in args else ENGLISH
    with speaking(chosen_language):
        return int(_module(args.verb).run(args))


def _no_room(error: OSError) -> OutputError:
    import shlex
    import tempfile

    place = Path(error.filename2 or error.filename or tempfile.gettempdir())
    folder = shlex.quote(str(place.parent))
    return OutputError(
        f"no room is left on the disk of {place}",
        cause="temporary files of the work did not fit",
        hint=f"df -h {folder}  # then the same again, after export TMPDIR=FOLDER of another disk",
    )


class _Unexpected(FerEdgeError):
    exit_code = 1


class _Interrupted(FerEdgeError):
    @property
    def exit_code(self) -> int:  # type: ignore[override]
        return interrupted()


def _unexpected(error: Exception, debug: bool) -> FerEdgeError:
    """A bug of ours: still one sentence, and the way to the traceback."""
    if debug:
        raise error
    hint = "the same command with --debug, and send us what it prints"
    return _Unexpected(f"unexpected {type(error).__name__}: {error}", hint=hint)


def explain(error: FerEdgeError, debug: bool, as_json: bool) -> int:
    """Say an error to people, and as an object on standard output where JSON is asked for; returns the exit code."""
    if debug:
        raise error
    print(f"fer-edge: {error}", file=sys.stderr)
    if as_json:
        print(json.dumps(error.as_mapping()))
    return error.exit_code


def interrupted() -> int:
    """The exit code of whom a signal ended, as shells expect: 130 after Ctrl-C, 143 after SIGTERM."""
    return 128 + _stopped_by[0]


def _interrupt(number: int, frame: object) -> None:
    _stopped_by[0] = signal.Signals(number)
    raise KeyboardInterrupt
