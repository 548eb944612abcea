"""A whole benchmark: from its options to rows, which a folder keeps after each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

from ... import __version__
from ...bundle import Bundle, Image
from ...devices.detect import evidence, is_here
from ...devices.profile import Profile, find_profile, load_profiles
from ...errors import BundleError, DeviceNotFound, FerEdgeError, OutputError, UsageError
from ...runtime.inference.open_device import threads_for
from ..published.literature import read_published
from ..published.verdicts import TABLE_MODELS
from ..report.report import write_report
from ..results.results import ResultRow, Results
from .board import environment
from .compiled import COMPILED, OFFER
from .matrix import absent_row, absent_rows, against_published, not_here, run_steps, vendors_estimate
from .model_row import Evaluate, Judge, model_row
from .models import Say, find_model, wanted_precision
from .options import MeasureOptions
from .pipeline_row import pipeline_row
from .system_under_test import SystemUnderTest

CalibrationFaces = Callable[[str], Sequence[Image]]
"""Takes a device's name and gives faces to quantise a model with, for a simulator."""


@dataclass(frozen=True)
class Outcome:
    """What a benchmark came to.

    Attributes:
        results: all of it, a matrix's rows of devices that are not here included.
        rows: those that this run tried to measure.
        profiles: their devices by name.
        folder: where the results were written; None when nowhere.
        unwritten: why the folder does not hold all of the rows; None when it does.
    """

    results: Results
    rows: Sequence[ResultRow]
    profiles: Mapping[str, Profile]
    folder: Path | None = None
    unwritten: OutputError | None = None


def benchmark(
    device: str = "cpu",
    bundle: str | Path = "default",
    *,
    scope: str = "model",
    mode: str = "default",
    precision: str = "auto",
    threads: int | None = None,
    out: str | Path | None = None,
) -> Results:
    """Measure one device with one bundle; arguments as in MeasureOptions.

    A device that is absent or fails is a row with state and reason.

    Raises:
        DeviceNotFound, BundleError, UsageError: no such device, bundle or artifact.
        OutputError: `out` cannot be written.
    """
    options = MeasureOptions(
        (device,), (str(bundle),), scope, mode, threads, precision, out=None if out is None else Path(out)
    )
    outcome = measure(options)
    if outcome.unwritten:
        raise outcome.unwritten
    return outcome.results


def measure(
    options: MeasureOptions,
    *,
    evaluate: Evaluate | None = None,
    calibration: CalibrationFaces | None = None,
    on_progress: Say = lambda text: None,
    on_note: Say = lambda text: None,
) -> Outcome:
    """Measure each device with each model and scope, and write the report after each row.

    Args:
        evaluate: measures accuracy, too.
        calibration: needed to simulate.
        on_progress: takes a line that the next one replaces; an empty one when a row is done.
        on_note: takes a line that stays.

    Raises:
        FerEdgeError: wrong options; outside a matrix, too, whatever keeps a device from being measured but its absence.
        OutputError: the folder cannot be written, before anything was measured; later see `Outcome.unwritten`.
    """
    if options.threads is not None and options.threads < 1:
        raise UsageError(f"--threads must be positive, not {options.threads}")
    profiles, absent = _devices(options)
    folder = options.free_folder()
    begun = _begun(options, absent)
    unwritten = None
    with ExitStack() as stack:
        judge = Judge(evaluate) if evaluate else None
        maker = _RowMaker(options, judge, calibration, on_progress, on_note, stack)
        steps = [
            partial(maker.row, p, m, s) for p in profiles for m in options.models_for(p) for s in options.scopes_for(m)
        ]
        try:
            results = run_steps(steps, begun, partial(_keep, folder))
        except OutputError as error:
            if not maker.done:
                raise
            results, unwritten = replace(begun, rows=(*begun.rows, *maker.done), complete=False), error
    return Outcome(results, maker.done, {p.name: p for p in profiles}, folder, unwritten)


@dataclass(frozen=True)
class _RowMaker:
    """Makes one row after the other; `stack` closes what a simulator leaves."""

    options: MeasureOptions
    judge: Judge | None
    calibration: CalibrationFaces | None
    on_progress: Say
    on_note: Say
    stack: ExitStack
    done: list[ResultRow] = field(default_factory=list)

    def row(self, profile: Profile, model: str, scope: str) -> ResultRow:
        """One device, model and scope; in a matrix whatever is missing is a row with its reason."""
        try:
            row = self._measured(profile, model, scope)
        except FerEdgeError as error:
            if not self.options.matrix:
                raise
            row = absent_row(profile, model, scope, error)
        finally:
            self.on_progress("")
        self.done.append(row)
        return row

    def _measured(self, profile: Profile, model: str, scope: str) -> ResultRow:
        options = self.options
        if not (options.simulate or options.fallback == "cpu" or is_here(profile)):
            return not_here(profile, model, scope)
        system = self._system(profile, model)
        watch = partial(self._tell, f"{profile.name} {system.model} {scope}")
        if scope == "model":
            if self.judge:
                self.judge.check(system.bundle)
            row = model_row(system, options.rules, self.judge, watch)
        else:
            row = pipeline_row(system, options.rules, options.clip, options.detector, watch)
        if system.simulator is None:
            with suppress(FerEdgeError):  # where it has none, a stand-in ran
                row = vendors_estimate(row, system.artifact())
        return against_published(row, read_published())

    def _system(self, profile: Profile, model: str) -> SystemUnderTest:
        options, precision = self.options, self.options.precision
        name, bundle = self._model(profile, model)
        if model in TABLE_MODELS:
            precision = wanted_precision(profile, precision)
        threads = threads_for(profile, bundle, options.threads)
        system = SystemUnderTest(profile, bundle, name, precision, threads, options.fallback)
        if options.simulate:
            return self._simulated(system)
        if options.fallback == "none":
            self._require_artifact(system)
        return system

    def _require_artifact(self, system: SystemUnderTest) -> None:
        """A bundle that lacks it is an error of use, not an absent device; for an Edge TPU there is a way without."""
        try:
            system.artifact()
        except BundleError:
            if system.profile.target == "edgetpu":
                self.on_note(OFFER)
            raise

    def _model(self, profile: Profile, model: str) -> tuple[str, Bundle]:
        """As `find_model`; what cannot be built for the device is built for whoever stands in for it."""
        options = self.options
        try:
            return find_model(model, profile, options.size, options.precision, self.on_note)
        except DeviceNotFound:
            if options.fallback == "none" or model in COMPILED:
                raise
            return find_model(model, find_profile("cpu"), options.size, "auto", self.on_note)

    def _simulated(self, system: SystemUnderTest) -> SystemUnderTest:
        from ...export.calibration import calibration_set
        from .simulated import simulator

        if self.calibration is None:
            raise UsageError(
                "a simulator needs faces to calibrate the model with", hint="the same command with --calibration DIR"
            )
        crops = calibration_set(self.calibration(system.profile.name), system.bundle.manifest.input.size)
        return replace(system, simulator=simulator(system.profile, system.bundle, crops, self.stack, self.on_note))

    def _tell(self, what: str, queries: int, seconds: float) -> None:
        rules = self.options.rules
        self.on_progress(f"{what}: {queries} of {rules.queries} queries, {seconds:.0f} of {rules.seconds:g} s")


def _devices(options: MeasureOptions) -> tuple[list[Profile], list[ResultRow]]:
    """Devices to measure and, for a matrix, the rows of those that are not here."""
    chosen = [find_profile(name) for name in options.devices]
    if not options.matrix:
        return chosen or [find_profile("cpu")], []
    known = list(load_profiles().values())
    here = [p for p in known if evidence(p)]
    return chosen or here, list(absent_rows(known, [p.name for p in here], read_published()))


def _begun(options: MeasureOptions, rows: Sequence[ResultRow]) -> Results:
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    least: dict[str, float] = {"queries": options.rules.queries, "seconds": options.rules.seconds}
    return Results(__version__, now, options.mode, least, environment(options.cores), tuple(rows))


def _keep(folder: Path | None, results: Results) -> None:
    if folder:
        write_report(folder, results)
