"""`fer-edge study`: a folder that sessions join, with its subjects, their consent, its conditions and markers."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..words import counted
from .data import moment, moment_text
from .output import aligned

if TYPE_CHECKING:
    from ..runtime.study.overview import Overview
    from ..runtime.study.register import KeptSession
    from ..runtime.study.session import StudyOptions

ACTIONS = {
    "init": "begin a study: init DIR --consent FORM",
    "consent": "record that a subject consented to the form: consent DIR CODE --witness NAME",
    "show": "who is in it, what they consented to, which sessions there are: show DIR [CODE]",
}
WORDS = {"consent": (1, 1), "show": (0, 1)}
"""Action -> the fewest and the most words after the study's folder."""
OWNERS = {
    "consent_form": "init", "title": "init", "condition": "init", "marker": "init", "keep_days": "init",
    "witness": "consent", "given": "consent", "yes": "consent",
}  # fmt: skip
"""Option -> the action that it belongs to."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `study`."""
    parser.add_argument("action", choices=ACTIONS, help="; ".join(f"{name}: {line}" for name, line in ACTIONS.items()))
    parser.add_argument("study", type=Path, metavar="DIR", help="the study's folder")
    parser.add_argument("words", nargs="*", metavar="WHAT", help="a subject's CODE")
    parser.add_argument("--consent", dest="consent_form", type=Path, metavar="FORM", help="init: the form, as a file")
    parser.add_argument("--title", metavar="TEXT", help="init: of the study, for reports")
    parser.add_argument("--condition", action="append", metavar="NAME", help="init: one that sessions may have")
    parser.add_argument("--marker", action="append", metavar="NAME", help="init: what the keys 1, 2, … mark")
    parser.add_argument("--keep-days", type=float, metavar="N", help="init: how long sessions are kept (default: ever)")
    parser.add_argument("--witness", metavar="NAME", help="consent: who saw it given")
    parser.add_argument("--given", type=moment, metavar="DATE", help="consent: when, if it was not now")
    parser.add_argument("--yes", action="store_true", help="consent: a CODE that looks like a name is none")


def add_joining(parser: argparse.ArgumentParser) -> None:
    """The options of `run` for joining a study."""
    parser.add_argument("--study", type=Path, metavar="DIR", help="join this study, and write the session there")
    parser.add_argument(
        "--subject", action="append", metavar="CODE", help="with --study: whose face; once for each, from the left"
    )
    parser.add_argument("--condition", metavar="NAME", help="with --study: one of the study's")
    parser.add_argument("--note", metavar="TEXT", help="with --study: a line about the session")
    parser.add_argument(
        "--assign", choices=("seat", "order"), help="with several subjects: by their part of the picture, or of coming"
    )


def joining(
    study: Path | None,
    subjects: list[str] | None,
    condition: str | None,
    note: str | None,
    assign: str | None,
    writes: bool,
) -> StudyOptions | None:
    """What `run` is told of the study that it joins; raises UsageError."""
    from ..runtime.study.session import StudyOptions

    if study is None:
        told = {"subject": subjects, "condition": condition, "note": note, "assign": assign}
        lonely = next((name for name, value in told.items() if value is not None), None)
        if lonely:
            raise UsageError(f"--{lonely} belongs to --study", hint="fer-edge study init DIR")
        return None
    if writes:
        raise UsageError("--out and --replace do not go with --study", cause="its sessions are written in its folder")
    if not subjects:
        raise UsageError("--study needs a subject", hint="the same command with --subject CODE")
    return StudyOptions(study, tuple(subjects), condition or "", note or "", assign)


def run(args: argparse.Namespace) -> int:
    """Do what the action says."""
    for name, owner in OWNERS.items():
        if getattr(args, name) not in (None, False) and args.action not in owner.split():
            option = "consent" if name == "consent_form" else name.replace("_", "-")
            raise UsageError(f"--{option} belongs to study {owner}", hint="fer-edge study --help")
    fewest, most = WORDS.get(args.action, (0, 0))
    if not fewest <= len(args.words) <= most:
        raise UsageError(
            f"study {args.action} takes other words", cause=ACTIONS[args.action], hint="fer-edge study --help"
        )
    return {"init": _init, "consent": _consent, "show": _show}[args.action](args)


def _init(args: argparse.Namespace) -> int:
    from ..runtime.study.folder import ConsentForm, init_study, settings_of

    form = ConsentForm(args.consent_form.name) if args.consent_form else ConsentForm()
    given = {"title": args.title, "keep_days": args.keep_days, "consent": form}
    lists = {"conditions": args.condition, "markers": args.marker}
    study = init_study(args.study, settings_of({**given, **lists}), args.consent_form)
    if args.json:
        print(json.dumps({"study": str(study.folder), "form": study.settings.consent.text}))
        return 0
    print(f"{study.folder}: a study; its conditions, markers and form are in {study.folder / 'study.toml'}")
    if not args.consent_form:
        print(f"put the consent form into {study.folder / study.settings.consent.text} before anybody is recorded")
    return 0


def _consent(args: argparse.Namespace) -> int:
    from ..runtime.study.consent import ConsentGiven, record_consent
    from ..runtime.study.folder import open_study

    (code,) = args.words
    sure = args.yes or None
    if sure is None and sys.stdin.isatty() and not args.json:
        from ..runtime.study.codes import like_a_name

        sure = like_a_name(code) and input(f"Is {code} a code, and nobody's name? [y/N] ").strip().lower() == "y"
    given = ConsentGiven(code, args.witness or "", args.given, bool(sure))
    done = record_consent(open_study(args.study), given)
    if args.json:
        print(json.dumps({"subject": code, **asdict(done)}))
        return 0
    when = moment_text(done.given_ms)
    print(
        f"{code} consented to version {done.version} of the form ({done.form[:12]}…) at {when}, seen by {done.witness}"
    )
    return 0


def _show(args: argparse.Namespace) -> int:
    from ..runtime.study.folder import open_study
    from ..runtime.study.overview import overview

    seen = overview(open_study(args.study), args.words[0] if args.words else None)
    print(json.dumps(asdict(seen)) if args.json else "\n".join(_lines(seen)))
    return 0


def _lines(seen: Overview) -> list[str]:
    lines = [f"{'study:':12} {seen.title or seen.study}"]
    for person in seen.subjects:
        asked = (
            f"consented to version {person.version}, {moment_text(person.given_ms)}"
            if person.given_ms is not None
            else "no consent"
        )
        old = f"; version {seen.version} is in force" if person.version not in (None, seen.version) else ""
        lines.append(f"{person.code + ':':12} {asked}{old}; {counted(person.sessions, 'session')}")
    rows = [[s.folder, " ".join(s.subjects), s.condition or "-", _end(s), s.note] for s in seen.sessions]
    lines += [aligned([["session", "subjects", "condition", "ended", "note"], *rows], range(5))] if rows else []
    if seen.due:
        study = shlex.quote(seen.study)
        lines.append(
            f"{counted(seen.due, 'session')} older than {seen.keep_days:g} days: fer-edge study expire {study} --yes"
        )
    return lines


def _end(session: KeptSession) -> str:
    return "unfinished" if session.ended_ms is None else moment_text(session.ended_ms)
