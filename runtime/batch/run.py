"""A batch from its beginning to its end: what is to be done, with which models, by whom, and what came of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic

from ...devices.cpu import usable_cores
from ...devices.profile import find_profile
from ...errors import BatchStopped, MissingExtra, UsageError
from ...words import counted
from ..build import PipelineOptions, build_pipeline
from .batch_file import BatchFile
from .files import Plan, plan
from .folder import claimed, clear, keep, left
from .local import LocalEngine
from .record import set_aside_path
from .schedule import Engine, schedule
from .segments.film import check_segments
from .settings import hold, settings_of
from .summary import BatchSummary, summarise
from .worker import Answer, Fault, Job

ENGINES = ("local", "ray")
THREADS = 1
"""Of each worker, unless told otherwise: more workers do more than more threads, whose number changes last digits."""
Done = Iterable[tuple[BatchFile, Answer]]


@dataclass(frozen=True)
class BatchOptions:
    """What a batch is asked to do.

    Attributes:
        sources: as `files.plan`.
        out: the batch's folder; one that was begun with the same settings goes on.
        engine: `local` for processes of this machine, `ray` for actors of a Ray cluster.
        address: of the cluster, as `ray.init` takes it; None: one of this machine, started and ended by this call.
        workers: how many; None: one a core that may be used, one alone for a device that is not the processor.
        retry: what was set aside earlier is tried again.
        pipeline: as for `run`, but `threads` are THREADS where none are told, and no resting face is taken off.
        segment_s: films longer than so many seconds are divided, for several workers; None: none is.
    """

    sources: tuple[str, ...]
    out: Path
    engine: str = "local"
    address: str | None = None
    workers: int | None = None
    retry: bool = False
    pipeline: PipelineOptions = field(default_factory=PipelineOptions)
    segment_s: float | None = None


@dataclass(frozen=True)
class BatchResult:
    """What a batch came to, and what this call had to do for it.

    Attributes:
        analysed: files that had their turn now; earlier: that were finished, or set aside, before.
        workers: how many worked; 0 where nothing was to be done.
        interrupted: a person ended it; the same call goes on.
        seconds: that this call took.
    """

    summary: BatchSummary
    analysed: int
    earlier: int
    workers: int
    interrupted: bool
    seconds: float


def run_batch(
    options: BatchOptions,
    on_notice: Callable[[str], None] = lambda line: None,
    watch: Callable[[Done, int], Done] = lambda loop, total: loop,
) -> BatchResult:
    """Analyse every file that has not been, and sum all up.

    Args:
        on_notice: gets lines for people.
        watch: wraps the loop over the answers, whose number it is told, to show how far it is.

    Raises:
        as `plan`; UsageError: the folder is another batch's, or another process is at it; BatchStopped: the disk is
        full, the device is gone, no worker can be had; MissingExtra; OutputError. What is finished stays finished.
    """
    _check(options)
    began = monotonic()
    options = replace(options, pipeline=replace(options.pipeline, threads=options.pipeline.threads or THREADS))
    chosen = plan(options.sources, options.out)
    with claimed(options.out):
        todo = left(chosen, options.out, options.retry)
        for line in (*chosen.notices, *_earlier(chosen, todo, options.out)):
            on_notice(line)
        analysed, workers, interrupted = 0, 0, False
        if todo:
            engine = _engine(options, _begin(options, on_notice), len(todo))
            workers = engine.workers
            try:
                for file, answer in watch(_answers(engine, todo), len(todo)):
                    keep(options.out, file, answer)
                    analysed += 1
            except KeyboardInterrupt:
                interrupted = True
            finally:
                engine.close()
        clear(options.out)
        earlier = len(chosen.files) - len(todo)
        return BatchResult(
            summarise(options.out), analysed, earlier, workers, interrupted, round(monotonic() - began, 3)
        )


def _engine(options: BatchOptions, job: Job, most: int) -> Engine:
    """Workers, as many as were asked for or are usual, but no more than there are files, unless films are divided."""
    usual = _usual_workers(options.pipeline)
    most = sys.maxsize if options.segment_s else most
    if options.engine == "local":
        return LocalEngine(job, min(most, options.workers or usual))
    from .cluster import RayEngine

    return RayEngine(job, most, options.workers, usual, options.address)


def _check(options: BatchOptions) -> None:
    """Raise for what cannot be begun."""
    from importlib.util import find_spec

    if options.engine not in ENGINES:
        raise UsageError(f"there is no engine {options.engine!r}", cause="engines: " + ", ".join(ENGINES))
    if options.workers is not None and options.workers < 1:
        raise UsageError(f"--workers must be at least 1, not {options.workers}")
    if options.pipeline.fallback != "none":
        raise UsageError("a batch has no stand-in", cause="nobody could tell which films were the other device's")
    if options.pipeline.resting is not None or options.pipeline.subjects:
        raise UsageError(
            "a batch takes off no resting face and gives nobody a seat", cause="its films are of many people"
        )
    if options.segment_s is not None:
        check_segments(options.segment_s, options.pipeline)
    if find_spec("pyarrow") is None:
        raise MissingExtra("pyarrow", "batch")
    if options.engine == "ray":
        from .cluster import check_reachable

        if not _on_processor(options.pipeline):
            cause = "Ray does not know which machine has such a device"
            raise UsageError("workers of a cluster work on the processor", cause=cause)
        check_reachable(options.address)
    elif options.address is not None:
        raise UsageError("--address is of a Ray cluster", hint="the same command with --engine ray")


def _earlier(chosen: Plan, todo: Sequence[BatchFile], out: Path) -> list[str]:
    """A line about what is not done again."""
    new = {file.key for file in todo}
    old = [file for file in chosen.files if file.key not in new]
    aside = sum(set_aside_path(out, file.key).exists() for file in old)
    again = f", {aside} of them set aside: --retry tries these again" if aside else ""
    return [f"{len(old)} of {counted(len(chosen.files), 'file')} had a turn before{again}"] if old else []


def _begin(options: BatchOptions, on_notice: Callable[[str], None]) -> Job:
    """Open the models once here, to know what every worker must have, and hold it against how the batch began."""
    built = build_pipeline(options.pipeline)
    try:
        if built.notice:
            on_notice(built.notice)
        settings = settings_of(built, options.pipeline, options.segment_s)
    finally:
        built.classifier.close()
    hold(options.out, settings)
    fixed = replace(options.pipeline, detector=settings["detector"])  # not one worker with YuNet and one without
    return Job(options.out.resolve(), fixed, settings)


def _usual_workers(options: PipelineOptions) -> int:
    return max(1, usable_cores() // (options.threads or THREADS)) if _on_processor(options) else 1


def _on_processor(options: PipelineOptions) -> bool:
    profile = find_profile(options.device)
    return not (profile.usb or profile.pci or profile.nodes or profile.driver)


def _answers(engine: Engine, todo: Sequence[BatchFile]) -> Iterator[tuple[BatchFile, Answer]]:
    """Answers as they come, to the end or to a fault that is everybody's, which is BatchStopped."""
    for done, (file, answer) in enumerate(schedule(engine, todo)):
        fault = answer.fault
        if fault and fault.stops:
            raise _stopped(fault, file, done, len(todo))
        yield file, answer


def _stopped(fault: Fault, file: BatchFile, done: int, many: int) -> BatchStopped:
    return BatchStopped(
        f"{fault.message}; the batch stopped at {file.shown}, {done} of {counted(many, 'file')} done",
        cause=f"{fault.cause or 'no other file would fare better'}; the same command goes on from there",
        hint=fault.hint,
        exit_code=fault.exit_code,
    )
