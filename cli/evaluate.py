"""`fer-edge evaluate`: how good a model is, for whom, how sure of that we are, and where it fails."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..words import counted
from .output import LABEL_MAP, chosen, options_of, watch

if TYPE_CHECKING:
    from ..train.evaluation.live_ratings import Take
    from ..train.evaluation.run import Evaluation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `evaluate`."""
    _what(parser)
    on = parser.add_argument_group("on what")
    _faces(on)
    _questions(on)
    parser.add_argument("--out", type=Path, metavar="DIR", help="write metrics.json, plots and the mistakes here")
    parser.add_argument("--threads", type=int, default=1, metavar="N")


def _what(parser: argparse.ArgumentParser) -> None:
    what = parser.add_argument_group("what to measure (default: the bundle inside fer-edge)")
    what.add_argument("--bundle", type=Path, metavar="PATH")
    what.add_argument("--precision", default="auto", choices=("auto", "float32", "float16", "int8"))
    what.add_argument("--checkpoint", type=Path, metavar="FILE", help="a .pt file of `train` instead of a bundle")
    what.add_argument("--recipe", metavar="NAME", help="train with this recipe, once for each of --seeds or --folds")
    what.add_argument("--seeds", metavar="N,N,…", help="such as 42,123,101112: mean and deviation over trainings")
    what.add_argument("--folds", type=int, metavar="K", help="cross-validation: mean and deviation over folds")
    what.add_argument("--init", metavar="FILE|BUNDLE|timm", help="first weights for --recipe")


def _faces(on: argparse._ArgumentGroup) -> None:
    on.add_argument("--data", type=Path, metavar="DIR", help="class folders, or a CSV manifest")
    on.add_argument("--label-map", metavar="FILE|SET", help=LABEL_MAP)
    on.add_argument(
        "--margin",
        type=float,
        default=0.0,
        metavar="M",
        help="0.2 cuts off a fifth, where pictures are wider than faces",
    )
    on.add_argument(
        "--split",
        choices=("train", "valid", "test", "held-out"),
        help="(default: test, or valid where there is none); held-out: of a set without labels that the bundle learned "
        "from, the faces that its training left out",
    )
    on.add_argument("--label", default="label", metavar="COLUMN", help="the manifest's column that holds the truth")
    on.add_argument("--live", metavar="CSV|camera:N", help="the guided check: a label file of clips, or a camera")
    on.add_argument("--people", type=int, default=1, metavar="N", help="who show it to --live camera:N in turn")


def _questions(on: argparse._ArgumentGroup) -> None:
    on.add_argument(
        "--groups",
        metavar="COLUMNS|CSV",
        help="figures by group: the manifest's columns, as in "
        "gender,age,gender+age (crossed), or a CSV of path and such columns; labels are not needed",
    )
    on.add_argument(
        "--against",
        action="append",
        default=[],
        metavar="BUNDLE[,weight=W]",
        help="where another model agrees, by group with --groups; several answer together. Labels are not needed",
    )
    on.add_argument(
        "--resting",
        metavar="COLUMN|CSV,COLUMN",
        help="the column that names the person: also with that person's resting face taken off, as in `run`",
    )
    on.add_argument(
        "--corrupt",
        action="store_true",
        help="also under blur, noise, darkness, low resolution … (bundles); "
        "with --groups, under light and skin tone by group",
    )
    on.add_argument(
        "--explain",
        type=int,
        nargs="?",
        const=8,
        default=0,
        metavar="N",
        help="what of a face the answers hang on, over N faces a label (default: 8): maps, their check, layers",
    )
    on.add_argument(
        "--augmentations",
        type=int,
        nargs="?",
        const=350,
        default=0,
        metavar="N",
        help="which augmentations keep the answers, by strength, over N faces (default: 350)",
    )
    on.add_argument(
        "--card", action="store_true", help="with --groups or --resting: into the model card of --bundle, too"
    )


ALONE = {
    "groups": "fer-edge evaluate --data DIR --groups gender,age",
    "resting": "fer-edge evaluate --data DIR --resting person",
    "against": "fer-edge evaluate --data DIR --against BUNDLE",
    "explain": "fer-edge evaluate --data DIR --explain",
    "augmentations": "fer-edge evaluate --data DIR --augmentations",
}
"""Options that go with neither --live nor --recipe -> a command that has one of them."""


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    asked = next((name for name in ALONE if getattr(args, name)), "")
    if asked and (args.live or args.recipe):
        raise UsageError(
            f"--{asked} does not go with {'--live' if args.live else '--recipe'}",
            cause="it measures one bundle or one checkpoint",
            hint=ALONE[asked],
        )
    if args.live:
        return _live(args)
    if args.people != 1:
        raise UsageError("--people is about --live", hint="the same command without --people")
    if args.data is None:
        raise UsageError("evaluate needs --data DIR, or --live", hint="fer-edge evaluate --data DIR")
    if bool(args.recipe) != bool(args.seeds or args.folds):
        raise UsageError(
            "--recipe goes with --seeds or --folds",
            hint="the same command with --recipe published --seeds 42,123,101112",
        )
    return _cross_validate(args) if args.recipe else _evaluate(args)


def _evaluate(args: argparse.Namespace) -> int:
    from ..train.evaluation.options import EvaluateOptions
    from ..train.evaluation.run import evaluate, write_evaluation
    from ..train.options import TeacherChoice

    against = tuple(chosen(TeacherChoice, "--against", text) for text in args.against)
    options = options_of(EvaluateOptions, vars(args), against=against)
    found = evaluate(options, partial(print, file=sys.stderr, flush=True), watch)
    if not args.json:
        print(_text(found, args.threads))
    if args.out:
        write_evaluation(found, args.out)
    if args.json:
        print(json.dumps(found.figures))
    elif args.out:
        print(f"written: {args.out}")
    return 0


def _text(found: Evaluation, threads: int) -> str:
    """The figures for people."""
    from ..train.evaluation import augmentations, evaluation, resting
    from ..train.evaluation.explain import run as explain

    figures = found.figures
    lines = [
        f"{figures['model']}: {figures['ms_per_picture']:.1f} ms a picture with reading, {counted(threads, 'thread')}",
        evaluation.text(figures, found.labels) if found.truth is not None else counted(figures["images"], "picture"),
        *(
            f"{name:14} accuracy {row['accuracy']:.3f}  mean recall {row['mean_recall']:.3f}"
            for name, row in figures.get("corrupted", {}).items()
        ),
        *(["", augmentations.text(figures["augmentations"])] if "augmentations" in figures else []),
        *(["", explain.text(figures["explain"])] if "explain" in figures else []),
        *(["", resting.text(figures["resting"])] if "resting" in figures else []),
        *(["", found.groups.text()] if found.groups else []),
    ]
    return "\n".join(lines)


def _cross_validate(args: argparse.Namespace) -> int:
    from ..bundle import write_text
    from ..train.evaluation.cross_validation import CrossValidationOptions, cross_validate, table

    work = (args.out or Path("runs")) / "work"
    options = options_of(CrossValidationOptions, vars(args), work=work, seeds=_seeds(args.seeds))
    result = cross_validate(options, (lambda line: None) if args.json else partial(print, flush=True), watch)
    if args.out:
        write_text(args.out / "repeats.json", json.dumps(result, indent=1) + "\n")
    print(json.dumps(result) if args.json else table(result))
    return 0


def _live(args: argparse.Namespace) -> int:
    from ..bundle import write_text
    from ..train.evaluation.live_check import LiveCheckOptions, live_check
    from ..train.evaluation.live_ratings import table

    options = options_of(LiveCheckOptions, vars(args), source=args.live)
    rows = live_check(options, partial(_ask, people=args.people))
    if args.out:
        write_text(args.out / "live.json", json.dumps(rows, indent=1) + "\n")
    print(json.dumps(rows) if args.json else table(rows))
    return 0


def _ask(take: Take, people: int) -> None:
    from ..train.evaluation.live_check import TAKE_S

    who = f"Person {take.subject}: show" if people > 1 else "Show"
    input(f"{who} {take.label}, {take.level}; hold it for {TAKE_S:.0f} s. Press Enter to begin: ")


def _seeds(text: str | None) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise UsageError(
            f"--seeds takes whole numbers, not {text!r}", hint="the same command with --seeds 42,123,101112"
        ) from None
