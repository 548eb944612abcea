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
    from ..runtime.run import Analysis
    from ..runtime.study.keyboard import Keyboard
    from ..runtime.study.overview import Overview
    from ..runtime.study.register import KeptSession
    from ..runtime.study.session import StudyOptions
    from ..runtime.study.withdraw import Wiped

ACTIONS = {
    "init": "begin a study: init DIR --consent FORM",
    "consent": "record that a subject consented to the form: consent DIR CODE --witness NAME",
    "join": "put a table of markers or signals into a session: join SESSION TABLE.csv",
    "export": "everything about a subject, into a new folder: export DIR CODE OUT",
    "withdraw": "remove everything of a subject, and prove it: withdraw DIR CODE --yes",
    "expire": "remove sessions older than keep_days, and prove it: expire DIR --yes",
    "show": "who is in it, what they consented to, which sessions there are: show DIR [CODE]",
}
WORDS = {"consent": (1, 1), "show": (0, 1), "join": (1, 1), "export": (2, 2), "withdraw": (1, 1)}
"""Action -> the fewest and the most words after the study's folder."""
OWNERS = {
    "consent_form": "init", "title": "init", "condition": "init", "marker": "init", "keep_days": "init",
    "witness": "consent", "given": "consent", "yes": "consent withdraw expire",
}  # fmt: skip
"""Option -> the action that it belongs to."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `study`."""
    parser.add_argument("action", choices=ACTIONS, help="; ".join(f"{name}: {line}" for name, line in ACTIONS.items()))
    parser.add_argument("study", type=Path, metavar="DIR", help="the study's folder, or a session's to join")
    parser.add_argument("words", nargs="*", metavar="WHAT", help="a subject's CODE, a file")
    parser.add_argument("--consent", dest="consent_form", type=Path, metavar="FORM", help="init: the form, as a file")
    parser.add_argument("--title", metavar="TEXT", help="init: of the study, for reports")
    parser.add_argument("--condition", action="append", metavar="NAME", help="init: one that sessions may have")
    parser.add_argument("--marker", action="append", metavar="NAME", help="init: what the keys 1, 2, … mark")
    parser.add_argument("--keep-days", type=float, metavar="N", help="init: how long sessions are kept (default: ever)")
    parser.add_argument("--witness", metavar="NAME", help="consent: who saw it given")
    parser.add_argument("--given", type=moment, metavar="DATE", help="consent: when, if it was not now")
    parser.add_argument("--yes", action="store_true", help="withdraw, expire: really; consent: CODE is no name")


class MarkerKeys:
    """Marks what happens before a camera by keys: 1 to 9 are the study's markers, other keys are named as they are."""

    def __init__(self) -> None:
        self._keyboard: Keyboard | None = None
        self._begun = False

    def show(self, analysis: Analysis) -> None:
        """After each frame: at the first, keys are read, where there is a terminal, and a session is written."""
        if self._begun:
            return
        self._begun = True
        if not (analysis.source.live and analysis.options.out and sys.stdin.isatty()):
            return
        from ..runtime.study.keyboard import Keyboard

        names = analysis.markers

        def mark(key: str, at_s: float) -> None:
            number = int(key) - 1 if key in "123456789" else len(names)
            name = names[number] if number < len(names) else "space" if key == " " else key
            if marker := analysis.mark(name, "keyboard", at_s):
                print(f"marker {marker.name} at {marker.time_s:.3f} s", file=sys.stderr, flush=True)

        keys = ", ".join(f"{i}: {name}" for i, name in enumerate(names[:9], 1)) or "any, named as it is"
        print(f"keys that mark: {keys}", file=sys.stderr, flush=True)
        self._keyboard = Keyboard(sys.stdin, mark)

    def close(self) -> None:
        """Give the terminal back."""
        if self._keyboard:
            self._keyboard.close()


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
    saves: bool,
) -> StudyOptions | None:
    """What `run` is told of the study that it joins; raises UsageError."""
    if study is None:
        told = {"subject": subjects, "condition": condition, "note": note, "assign": assign}
        lonely = next((name for name, value in told.items() if value is not None), None)
        if lonely:
            raise UsageError(f"--{lonely} belongs to --study", hint="fer-edge study init DIR")
        return None
    from ..runtime.study.session import StudyOptions  # with SQLite, which a run without a study does not need

    if writes:
        raise UsageError("--out and --replace do not go with --study", cause="its sessions are written in its folder")
    if saves:
        raise UsageError(
            "--resting-save does not go with --study", cause="the study keeps a subject's resting face itself"
        )
    if not subjects:
        raise UsageError("--study needs a subject", hint="the same command with --subject CODE")
    return StudyOptions(study, tuple(subjects), condition or "", note or "", assign)


def run(args: argparse.Namespace) -> int:
    """Do what the action says."""
    for name, owner in OWNERS.items():
        if getattr(args, name) not in (None, False) and args.action not in owner.split():
            option = "consent" if name == "consent_form" else name.replace("_", "-")
            raise UsageError(f"--{option} belongs to study {owner.replace(' ', ', ')}", hint="fer-edge study --help")
    fewest, most = WORDS.get(args.action, (0, 0))
    if not fewest <= len(args.words) <= most:
        raise UsageError(
            f"study {args.action} takes other words", cause=ACTIONS[args.action], hint="fer-edge study --help"
        )
    actions = {"init": _init, "consent": _consent, "export": _export, "join": _join, "show": _show}
    return actions.get(args.action, _wipe)(args)


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


def _join(args: argparse.Namespace) -> int:
    from ..runtime.study.markers import join_csv

    done = join_csv(args.study, Path(args.words[0]))
    if args.json:
        print(json.dumps(asdict(done)))
        return 0
    told = [counted(done.markers, "marker")] if done.markers else []
    told += [f"{name}: {counted(number, 'sample')}" for name, number in done.signals.items()]
    outside = f"; {counted(done.outside, 'sample')} outside the session left out" if done.outside else ""
    print(f"{args.study}: {', '.join(told)}{outside}")
    return 0


def _export(args: argparse.Namespace) -> int:
    from ..runtime.study.export import export_subject
    from ..runtime.study.folder import open_study

    code, out = args.words
    done = export_subject(open_study(args.study), code, Path(out))
    if args.json:
        print(json.dumps({"out": str(done.out), "sessions": done.sessions, "left_out": list(done.left_out)}))
        return 0
    print(f"{done.out}: {counted(done.sessions, 'session')} of {code}; study withdraw removes it, unless it is moved")
    for film in done.left_out:
        print(f"left out, since somebody else is in it: {film}")
    return 0


def _wipe(args: argparse.Namespace) -> int:
    """Withdraw, and expire."""
    from ..runtime.study import withdraw
    from ..runtime.study.folder import open_study

    study, code = open_study(args.study), args.words[0] if args.words else None
    if not args.yes:
        sessions = withdraw.to_expire(study) if code is None else withdraw.to_withdraw(study, code)
        raise _not_yet(study.folder, code, sessions)
    done = withdraw.expire(study) if code is None else withdraw.withdraw(study, code)
    print(json.dumps(asdict(done)) if args.json else "\n".join(_removed(done, code)))
    return 1 if done.mentions else 0


def _removed(done: Wiped, code: str | None) -> list[str]:
    exports = f", {counted(len(done.exports), 'export')}" if done.exports else ""
    removed = f"{counted(len(done.sessions), 'session')}{exports}{', the resting face' if done.resting else ''}"
    lines = [f"removed {removed}{f' and {code} with every consent' if code else ''}"]
    lines += [f"searched {done.searched} bytes of what is left, and found none of it"]
    lines += [f"not there, so not removed: the export {path}" for path in done.absent]
    return lines + [f"{code} is still written in {place}" for place in done.mentions]


def _not_yet(study: Path, code: str | None, sessions: list[KeptSession]) -> UsageError:
    """What would be removed, and of whom besides."""
    others = sorted({other for s in sessions for other in s.subjects if other != code})
    with_others = f", in which {', '.join(others)} took part too" if code and others else ""
    whole = f" and everything else of {code}, for good" if code else " for good"
    names = f" ({', '.join(s.folder for s in sessions)}{with_others})" if sessions else ""
    what = f"nothing was removed: this would remove {counted(len(sessions), 'session')}{names}{whole}"
    if code is None:
        return UsageError(what, hint=f"fer-edge study expire {shlex.quote(str(study))} --yes")
    return UsageError(what, hint=f"fer-edge study withdraw {shlex.quote(str(study))} {shlex.quote(code)} --yes")


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
