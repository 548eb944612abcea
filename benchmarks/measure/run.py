"""A whole benchmark: from its options to rows, which a folder keeps after each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

from ... import __version__
from ...bundle import Image, open_bundle
from ...devices.cpu import default_threads
from ...devices.detect import evidence, is_here, looked_for
from ...devices.profile import Profile, find_profile, load_profiles
from ...errors import FerEdgeError, OutputError, UsageError
from ...runtime.inference.open_device import artifact_for
from ..published.literature import read_published
from ..published.verdicts import TABLE_MODELS
from ..report.report import write_report
from ..results.results import ABSENT, ResultRow, Results
from .board import environment
from .matrix import absent_rows, against_published, run_steps, vendors_estimate
from .model_row import Evaluate, Judge, model_row
from .models import OWN, Say, find_model, wanted_precision
from .pipeline_row import pipeline_row
from .singlestream import RULES, Rules
from .system_under_test import SystemUnderTest

MATRIX_OUT = Path("benchmark")
CalibrationFaces = Callable[[str], Sequence[Image]]
"""Takes a device's name and gives faces to quantise a model with, for a simulator."""


@dataclass(frozen=True)
class MeasureOptions:
    """What to measure, and how.

    Attributes:
        devices: profiles by name or file; the processor when empty, or every device here for a matrix.
        models: `default`, `edgetpu`, bundles' paths or TABLE_MODELS; when empty, what was made for the device.
        scope: `model`, `pipeline` or `both`.
        mode: how long to measure, a key of RULES.
        threads: on the processor; up to four when None.
        precision: of the artifact; auto is the device's own.
        size: pixels of the input's side, for TABLE_MODELS.
        fallback: `cpu` lets the processor stand in for a device; its row says so.
        clip, detector: for the pipeline, as `fer-edge run` takes them.
        matrix: every device here with every model; what is missing becomes a row with its reason.
        simulate: the vendor's simulator in the place of a Rockchip board.
        out: folder for results, tables and a page; none when None, but MATRIX_OUT for a matrix.
        replace: overwrite the results that are in `out`.
    """

    devices: Sequence[str] = ()
    models: Sequence[str] = ()
    scope: str = "model"
    mode: str = "default"
    threads: int | None = None
    precision: str = "auto"
    size: int | None = None
    fallback: str = "none"
    clip: str = "demo"
    detector: str = "auto"
    matrix: bool = False
    simulate: bool = False
    out: Path | None = None
    replace: bool = False

    @property
    def rules(self) -> Rules:
        """Queries and seconds of the mode."""
        return RULES[self.mode]

    @property
    def cores(self) -> int:
        """Threads on the processor."""
        return self.threads or default_threads()


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
    folder = _free_folder(options)
    begun = _begun(options, absent)
    unwritten = None
    with ExitStack() as stack:
        judge = Judge(evaluate) if evaluate else None
        maker = _RowMaker(options, judge, calibration, on_progress, on_note, stack)
        steps = [
            partial(maker.row, p, m, s) for p in profiles for m in _models(options, p) for s in _scopes(options, m)
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
            row = _absent(profile, model, scope, error)
        finally:
            self.on_progress("")
        self.done.append(row)
        return row

    def _measured(self, profile: Profile, model: str, scope: str) -> ResultRow:
        options = self.options
        if not (options.simulate or options.fallback == "cpu" or is_here(profile)):
            return _not_here(profile, model, scope)
        system = self._system(profile, model)
        watch = partial(self._tell, f"{profile.name} {system.model} {scope}")
        if scope == "model":
            row = model_row(system, options.rules, self.judge, watch)
        else:
            row = pipeline_row(system, options.rules, options.clip, options.detector, watch)
        if system.simulator is None:
            row = vendors_estimate(row, system.artifact())
        return against_published(row, read_published())

    def _system(self, profile: Profile, model: str) -> SystemUnderTest:
        options, precision = self.options, self.options.precision
        name, bundle = find_model(model, profile, options.size, precision, self.on_note)
        if model in TABLE_MODELS:
            precision = wanted_precision(profile, precision)
        system = SystemUnderTest(profile, bundle, name, precision, options.cores, options.fallback)
        if options.simulate:
            return self._simulated(system)
        system.artifact()  # a bundle that lacks it is an error of use, not an absent device
        return system

    def _simulated(self, system: SystemUnderTest) -> SystemUnderTest:
        from ...export.calibration import calibration_set
        from .simulated import simulator

        if self.calibration is None:
            raise UsageError("a simulator needs faces to calibrate the model with", hint="add --calibration DIR")
        crops = calibration_set(self.calibration(system.profile.name), system.bundle.manifest.input.size)
        return replace(system, simulator=simulator(system.profile, system.bundle, crops, self.stack, self.on_note))

    def _tell(self, what: str, queries: int, seconds: float) -> None:
        rules = self.options.rules
        self.on_progress(f"{what}: {queries} of {rules.queries} queries, {seconds:.0f} of {rules.seconds:g} s")


def _models(options: MeasureOptions, profile: Profile) -> Sequence[str]:
    """Those asked for; else all in a matrix, and otherwise the one of ours that was made for the device."""
    own = "edgetpu" if profile.target == "edgetpu" else "default"
    return options.models or ([*OWN, *TABLE_MODELS] if options.matrix else [own])


def _scopes(options: MeasureOptions, model: str) -> list[str]:
    """In a matrix the table's models, of random weights, are timed alone: a pipeline depends on the faces it finds."""
    wanted = ["model", "pipeline"] if options.scope == "both" else [options.scope]
    return [s for s in wanted if s == "model" or not options.matrix or model not in TABLE_MODELS]


def _devices(options: MeasureOptions) -> tuple[list[Profile], list[ResultRow]]:
    """Devices to measure and, for a matrix, the rows of those that are not here."""
    chosen = [find_profile(name) for name in options.devices]
    if not options.matrix:
        return chosen or [find_profile("cpu")], []
    known = list(load_profiles().values())
    here = [p for p in known if evidence(p)]
    return chosen or here, list(absent_rows(known, [p.name for p in here], read_published()))


def _free_folder(options: MeasureOptions) -> Path | None:
    folder = options.out or (MATRIX_OUT if options.matrix else None)
    if folder and (folder / "results.json").exists() and not options.replace:
        raise UsageError(f"{folder} holds results already", hint="add --replace, or another --out")
    return folder


def _begun(options: MeasureOptions, rows: Sequence[ResultRow]) -> Results:
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    least: dict[str, float] = {"queries": options.rules.queries, "seconds": options.rules.seconds}
    return Results(__version__, now, options.mode, least, environment(options.cores), tuple(rows))


def _keep(folder: Path | None, results: Results) -> None:
    if folder:
        write_report(folder, results)


def _not_here(profile: Profile, model: str, scope: str) -> ResultRow:
    """An absent row, with what the vendor's compiler expects of the bundle's artifact where it says."""
    row = _absent(
        profile,
        model,
        scope,
        FerEdgeError(
            f"{profile.name} is not here: looked for {looked_for(profile)}",
            hint=f"fer-edge doctor --device {profile.name}",
        ),
    )
    try:
        return vendors_estimate(row, artifact_for(profile, open_bundle(model)))
    except FerEdgeError:
        return row  # a table model, or a bundle that was not exported for the device: nothing is known


def _absent(profile: Profile, model: str, scope: str, error: FerEdgeError) -> ResultRow:
    reason = error.message + (f" ({error.cause})" if error.cause else "")
    return ResultRow(profile.name, model, 0, scope, ABSENT, profile.title, reason=reason, hint=error.hint)
