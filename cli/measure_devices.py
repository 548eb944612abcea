"""Measuring, the main part of `fer-edge benchmark`: from its options to steps, rows, a report and an exit code."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import FerEdgeError, OutputError, UsageError
from .main import INTERRUPTED
from .output import StatusLine, aligned, watch

if TYPE_CHECKING:
    from ..benchmarks.measure.model_row import Judge
    from ..benchmarks.measure.singlestream import Rules
    from ..benchmarks.measure.system_under_test import Subject
    from ..benchmarks.published.literature import Figure
    from ..benchmarks.results.results import Results, Row
    from ..devices.profile import Profile
    from ..runtime.inference.classifier import Classifier

MATRIX_OUT = Path("benchmark")


def measure_devices(args: argparse.Namespace) -> int:
    """Measure what was asked for; 0 done, 1 unreal figures, 3 absent, 4 failed, 130 interrupted."""
    from ..benchmarks.measure import matrix
    from ..benchmarks.measure.singlestream import RULES
    from ..benchmarks.published.literature import read_published
    from ..devices.cpu import default_threads

    rules = RULES["quick" if args.quick else "strict" if args.strict else "default"]
    threads = args.threads or default_threads()
    figures = read_published()
    profiles, here = _devices(args)
    folder = args.out or (MATRIX_OUT if args.matrix else None)
    _check_folder(folder, args.replace)
    with ExitStack() as stack:
        bench = Bench(args, rules, threads, figures, stack)
        steps = [partial(bench.row, p, m, s) for p in profiles for m in _models(args, p) for s in _scopes(args, m)]
        start = _start(rules, threads)
        if args.matrix:
            start = replace(start, rows=tuple(matrix.absent_rows(_all_profiles(), here, figures)))
        try:
            results = matrix.run(steps, start, partial(_keep, folder))
        except OutputError:
            if bench.done:
                _say_rows(start, bench.done)  # whatever became of the folder, nothing measured is lost
            raise
    return _conclude(args, results, bench, folder)


class Bench:
    """Makes one row after the other."""

    def __init__(
        self, args: argparse.Namespace, rules: Rules, threads: int, figures: tuple[Figure, ...], stack: ExitStack
    ) -> None:
        self.args, self.rules, self.threads, self.figures, self.stack = args, rules, threads, figures, stack
        self.done: list[Row] = []
        self.profiles: dict[str, Profile] = {}
        self.status = StatusLine()
        self.say = partial(print, file=sys.stderr, flush=True)
        self.judge: Judge | None = _judge(args)

    def row(self, profile: Profile, model: str, scope: str) -> Row:
        """One device, model and scope; in a matrix whatever is missing is a row with its reason."""
        self.profiles[profile.name] = profile
        try:
            row = self._measured(profile, model, scope)
        except FerEdgeError as error:
            if not self.args.matrix:
                raise
            row = _without(profile, model, scope, error)
        finally:
            self.status.end()
        self.done.append(row)
        return row

    def _measured(self, profile: Profile, model: str, scope: str) -> Row:
        from ..benchmarks.measure.matrix import against_published, vendors_estimate
        from ..benchmarks.measure.model_row import model_row
        from ..benchmarks.measure.pipeline_row import pipeline_row
        from ..devices.detect import is_here

        if not (self.args.simulate or self.args.fallback == "cpu" or is_here(profile)):
            return _absent(profile, model, scope)
        subject = self._subject(profile, model)
        watch = partial(self._tell, f"{profile.name} {subject.model} {scope}")
        if scope == "model":
            row = model_row(subject, self.rules, self.judge, watch)
        else:
            row = pipeline_row(subject, self.rules, self.args.clip, self.args.detector, watch)
        if subject.simulator is None:
            row = vendors_estimate(row, subject.artifact())
        return against_published(row, self.figures)

    def _subject(self, profile: Profile, model: str) -> Subject:
        from ..benchmarks.measure.models import find_model, wanted_precision
        from ..benchmarks.measure.system_under_test import Subject
        from ..benchmarks.published.verdicts import TABLE_MODELS

        args = self.args
        name, bundle = find_model(model, profile, args.input, args.precision, self.say)
        precision = wanted_precision(profile, args.precision) if model in TABLE_MODELS else args.precision
        subject = Subject(profile, bundle, name, precision, self.threads, args.fallback)
        if args.simulate:
            return replace(subject, simulator=self._simulator(subject))
        subject.artifact()  # a bundle that lacks it is an error of use, not an absent device
        return subject

    def _simulator(self, subject: Subject) -> Callable[[], Classifier]:
        from ..benchmarks.measure.simulated import simulator
        from ..export.calibration import calibration_set
        from ..export.labelled import calibration_faces

        command = f"benchmark --device {subject.profile.name} --simulate"
        faces = calibration_faces(self.args.calibration, 200, self.args.seed, command, self.say, watch)
        crops = calibration_set(faces, subject.bundle.manifest.input.size)
        return simulator(subject.profile, subject.bundle, crops, self.stack, self.say)

    def _tell(self, what: str, queries: int, seconds: float) -> None:
        self.status.show(
            f"{what}: {queries} of {self.rules.queries} queries, {seconds:.0f} of {self.rules.seconds:g} s"
        )


def _devices(args: argparse.Namespace) -> tuple[list[Profile], list[str]]:
    """Profiles to measure, and names of all devices that are here."""
    from ..devices.detect import evidence
    from ..devices.profile import find_profile

    here = [p for p in _all_profiles() if evidence(p)]
    chosen = [find_profile(name) for name in args.device or []]
    if args.matrix and not chosen:
        chosen = here
    return chosen or [find_profile("cpu")], [p.name for p in here]


def _all_profiles() -> list[Profile]:
    from ..devices.profile import load_profiles

    return list(load_profiles().values())


def _models(args: argparse.Namespace, profile: Profile) -> list[str]:
    """Those asked for; else all in a matrix, and otherwise the one of ours that was made for the device."""
    from ..benchmarks.measure.models import OWN
    from ..benchmarks.published.verdicts import TABLE_MODELS

    return args.model or (
        [*OWN, *TABLE_MODELS] if args.matrix else ["edgetpu" if profile.target == "edgetpu" else "default"]
    )


def _scopes(args: argparse.Namespace, model: str) -> list[str]:
    """In a matrix the table's models, of random weights, are timed alone: a pipeline depends on the faces it finds."""
    from ..benchmarks.published.verdicts import TABLE_MODELS

    wanted = ["model", "pipeline"] if args.scope == "both" else [args.scope]
    return [s for s in wanted if s == "model" or not args.matrix or model not in TABLE_MODELS]


def _judge(args: argparse.Namespace) -> Judge | None:
    from ..benchmarks.measure.model_row import Judge
    from ..export.labelled import evaluation

    evaluate = evaluation(args.labelled, args.split, args.seed, watch)
    return Judge(evaluate) if evaluate else None


def _start(rules: Rules, threads: int) -> Results:
    from .. import __version__
    from ..benchmarks.measure.board import environment
    from ..benchmarks.results.results import Results

    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    least: dict[str, float] = {"queries": rules.queries, "seconds": rules.seconds}
    return Results(__version__, now, rules.mode, least, environment(threads), ())


def _check_folder(folder: Path | None, replacing: bool) -> None:
    if folder and (folder / "results.json").exists() and not replacing:
        raise UsageError(f"{folder} holds results already", hint="add --replace, or another --out")


def _keep(folder: Path | None, results: Results) -> None:
    from ..benchmarks.report.report import write_report

    if folder:
        write_report(folder, results)


def _absent(profile: Profile, model: str, scope: str) -> Row:
    from ..devices.detect import looked_for

    error = FerEdgeError(
        f"{profile.name} is not here: looked for {looked_for(profile)}", hint=f"fer-edge doctor --device {profile.name}"
    )
    return _foretold(_without(profile, model, scope, error), profile, model)


def _foretold(row: Row, profile: Profile, model: str) -> Row:
    """The row with what the vendor's compiler expects of the bundle's artifact, if there is one that says."""
    from ..benchmarks.measure.matrix import vendors_estimate
    from ..bundle import find_bundle, open_bundle
    from ..runtime.inference.open_device import artifact_for

    try:
        return vendors_estimate(row, artifact_for(profile, open_bundle(find_bundle(model))))
    except FerEdgeError:
        return row  # a table model, or a bundle that was not exported for the device: nothing is known


def _without(profile: Profile, model: str, scope: str, error: FerEdgeError) -> Row:
    from ..benchmarks.results.results import ABSENT, Row

    reason = f"{error.message}" + (f" ({error.cause})" if error.cause else "")
    return Row(profile.name, model, 0, scope, ABSENT, profile.title, reason=reason, hint=error.hint)


def _say_rows(results: Results, rows: list[Row]) -> None:
    """The tables of these rows, without the columns in which nothing stands."""
    from ..benchmarks.report.tables import tables_of

    for table in tables_of(replace(results, rows=tuple(rows))):
        names = [n for n in (table.rows[0] if table.rows else ()) if any(row[n] for row in table.rows)]
        cells = [names, *([row[n] for n in names] for row in table.rows)]
        words = {i for i, n in enumerate(names) if n in _WORDS}
        print(f"{table.title}\n{aligned(cells, words)}\n" if names else f"{table.title}: nothing\n")


_WORDS = ("device", "model", "precision", "scope", "notes", "verdict", "state", "why", "try", "estimate (tool)")


def _conclude(args: argparse.Namespace, results: Results, bench: Bench, folder: Path | None) -> int:
    """Print, and turn the rows into an exit code."""
    from ..benchmarks.report.report import notice
    from ..benchmarks.results.results import ABSENT, FAILED

    states = [row.state for row in bench.done]
    if args.json:
        print(json.dumps(asdict(results)))
    elif args.matrix or states != [ABSENT]:
        _say_rows(results, bench.done)
        for row in bench.done:
            for warning in row.warnings:
                print(f"warning: {row.device} {row.model} {row.scope}: {warning}")
        if folder:
            print(f"results: {folder}" + (f"  ({notice()})" if notice() else ""))
    if not args.matrix and ABSENT in states:
        row = bench.done[states.index(ABSENT)]
        return _explain_absent(row, bench.profiles[row.device], args.json)
    if not results.complete:
        return INTERRUPTED
    if FAILED in states:
        return 4
    unreal = any(row.degraded or row.simulated for row in bench.done)
    return 1 if unreal and not args.accept_unreal else 0


def _explain_absent(row: Row, profile: Profile, quiet: bool) -> int:
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
