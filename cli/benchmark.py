"""`fer-edge benchmark`: measure devices and models here, compare two runs, or estimate a device that is not here."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from .main import interrupted
from .output import LABEL_MAP, StatusLine, aligned, options_of, watch

if TYPE_CHECKING:
    from ..benchmarks.measure.run import Outcome
    from ..benchmarks.results.results import ResultRow, Results
    from ..devices.profile import Profile


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `benchmark`."""
    parser.add_argument("action", nargs="?", choices=("estimate",), help="estimate: a device that is not here")
    parser.add_argument("--device", action="append", metavar="NAME", help="from fer-edge devices (default: cpu)")
    parser.add_argument("--model", action="append", metavar="NAME", help=_MODEL)
    parser.add_argument("--bundle", dest="model", action="append", metavar="PATH", help="the same as --model PATH")
    parser.add_argument("--input", type=int, metavar="PX", help="pixels of the side, for the table's models")
    parser.add_argument("--precision", default="auto", choices=("auto", "float32", "float16", "int8"))
    parser.add_argument("--scope", default="model", choices=("model", "pipeline", "both"), help=_SCOPE)
    parser.add_argument("--clip", default="demo", metavar="FILE", help="for the pipeline (default: demo)")
    parser.add_argument("--detector", default="auto", choices=("auto", "yunet", "haar"))
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="200 queries and 10 s; marked, not for quoting")
    length.add_argument("--strict", action="store_true", help="600 s instead of 60")
    parser.add_argument("--labelled", type=Path, metavar="DIR", help="measure accuracy on labelled faces, too")
    parser.add_argument("--split", help="of --labelled (default: test, or valid where there is none)")
    parser.add_argument("--label-map", metavar="FILE|SET", help=LABEL_MAP)
    parser.add_argument("--seed", type=int, default=42, metavar="N", help="which pictures are drawn")
    parser.add_argument("--matrix", action="store_true", help="every device here with every model")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write results, tables and a page here")
    parser.add_argument("--replace", action="store_true", help="overwrite the results that are in --out")
    parser.add_argument("--threads", type=int, metavar="N", help="processor threads (default: up to four)")
    parser.add_argument("--fallback", default="none", choices=("none", "cpu"), help="cpu: the processor may stand in")
    parser.add_argument("--simulate", action="store_true", help="Rockchip: the vendor's simulator, not the board")
    parser.add_argument("--calibration", type=Path, metavar="DIR", help="faces, for --simulate")
    parser.add_argument("--accept-unreal", action="store_true", help=_UNREAL)
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("A", "B"), help="two results files or folders")


_MODEL = (
    "default, edgetpu, pico, a bundle's path, mobilenetv2, efficientnetv2b0, resnet50, "
    "or for an Edge TPU google-mobilenetv2 and more that Google compiled (default: as fer-edge run)"
)
_SCOPE = "model: inference; pipeline: a clip from capture to publishing (default: model)"
_UNREAL = "exit with 0 although a stand-in or a simulator did the work"
_WORDS = ("device", "model", "precision", "scope", "notes", "verdict", "state", "why", "try", "estimate (tool)")
"""Columns of text, which are set flush left."""


def run(args: argparse.Namespace) -> int:
    """Compare, estimate or measure; of measuring 0 done, 1 stand-ins, 3 absent, 4 failed, 130 interrupted."""
    if args.compare:
        return _compare(args.compare[0], args.compare[1], args.json)
    if args.action == "estimate":
        return _estimate(args.device or [], args.model, args.input, args.json)
    from ..benchmarks.measure.options import MeasureOptions
    from ..benchmarks.measure.run import measure
    from ..export.labelled import calibration_faces, evaluation

    mode = "quick" if args.quick else "strict" if args.strict else "default"
    chosen = {"devices": args.device or (), "models": args.model or (), "mode": mode, "size": args.input}
    options = options_of(MeasureOptions, vars(args), **chosen)
    status, note = StatusLine(), partial(print, file=sys.stderr, flush=True)
    outcome = measure(
        options,
        evaluate=evaluation(args.labelled, args.split, args.seed, watch, note, args.label_map),
        calibration=lambda device: calibration_faces(
            args.calibration, 200, args.seed, f"benchmark --device {device} --simulate", note, watch, args.label_map
        ),
        on_progress=lambda text: status.show(text) if text else status.end(),
        on_note=note,
    )
    _say(outcome, args.matrix, args.json)
    return _exit_code(outcome, args.matrix, args.json, args.accept_unreal)


def _say(outcome: Outcome, matrix: bool, as_json: bool) -> None:
    """The rows, where they are kept, and their warnings; whatever became of the folder, nothing measured is lost."""
    from ..benchmarks.report.report import notice
    from ..benchmarks.results.results import ABSENT

    if outcome.unwritten:
        _say_rows(outcome.results, outcome.rows)
        raise outcome.unwritten
    if as_json:
        print(json.dumps(asdict(outcome.results)))
    elif matrix or [row.state for row in outcome.rows] != [ABSENT]:
        _say_rows(outcome.results, outcome.rows)
        for row in outcome.rows:
            for warning in row.warnings:
                print(f"warning: {row.device} {row.model} {row.scope}: {warning}")
        if outcome.folder:
            print(f"results: {outcome.folder}" + (f"  ({notice()})" if notice() else ""))


def _say_rows(results: Results, rows: Sequence[ResultRow]) -> None:
    """The tables of these rows, without the columns in which nothing stands."""
    from ..benchmarks.report.tables import tables_of

    for table in tables_of(replace(results, rows=rows)):
        names = [n for n in (table.rows[0] if table.rows else ()) if any(row[n] for row in table.rows)]
        cells = [names, *([row[n] for n in names] for row in table.rows)]
        words = {i for i, n in enumerate(names) if n in _WORDS}
        print(f"{table.title}\n{aligned(cells, words)}\n" if names else f"{table.title}: nothing\n")


def _exit_code(outcome: Outcome, matrix: bool, quiet: bool, accept_unreal: bool) -> int:
    from ..benchmarks.results.results import ABSENT, FAILED

    absent = next((row for row in outcome.rows if row.state == ABSENT), None)
    if absent and not matrix:
        return _explain_absent(absent, outcome.profiles[absent.device], quiet)
    if not outcome.results.complete:
        return interrupted()
    if any(row.state == FAILED for row in outcome.rows):
        return 4
    return int(not accept_unreal and any(row.degraded or row.simulated for row in outcome.rows))


def _explain_absent(row: ResultRow, profile: Profile, quiet: bool) -> int:
    """What was missing, and the doctor's first problem with its command."""
    from ..devices.doctor import State, examine

    print(f"fer-edge: {row.reason}", file=sys.stderr)
    first = next((f for f in examine(profile) if f.state is State.PROBLEM), None)
    if row.estimate:
        print(f"  {row.estimate['tool']} expects {row.estimate['mean_ms']:.3g} ms: an estimate", file=sys.stderr)
    if first is not None and not quiet:
        print(f"  doctor: {first.name}: {first.seen}\n  try: {first.fix}", file=sys.stderr)
        print(f"  or, without one: fer-edge benchmark estimate --device {row.device}", file=sys.stderr)
    return 3


def _compare(first: Path, second: Path, as_json: bool) -> int:
    from ..benchmarks.report.comparison import as_dict, compare, differences, text
    from ..benchmarks.results.results import load_results

    a, b = load_results(first), load_results(second)
    found, different = compare(a, b), differences(a, b)
    print(json.dumps(as_dict(found, different)) if as_json else text(found, different))
    return 0


def _estimate(devices: Sequence[str], models: Sequence[str] | None, size: int | None, as_json: bool) -> int:
    from ..benchmarks.estimates.estimates import estimate
    from ..benchmarks.estimates.text import render
    from ..devices.profile import find_profile
    from ..runtime.inference.open_device import made_for

    if not devices:
        raise UsageError("whose speed?", hint="fer-edge benchmark estimate --device coral")
    found = [e for d in devices for m in models or [made_for(find_profile(d))] for e in estimate(d, m, size)]
    if as_json:
        print(json.dumps([{**asdict(e), **e.as_mapping()} for e in found]))
    else:
        print(render(found))
    return 0 if any(e.as_mapping() for e in found) else 1
