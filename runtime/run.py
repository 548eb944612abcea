"""One run from a source to its end: opened, observed frame by frame, kept if that was asked for, and summed up."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from ..bundle import Bundle
from ..bundle.resting import ANEW
from ..devices.cpu import default_threads
from ..errors import DeviceFailed, FerEdgeError, InputError, OutputError, SourceError, UsageError
from ..words import counted
from .build import DEFAULTS, BuiltPipeline, PipelineOptions, build_pipeline
from .outputs import Outputs, measured_fact, resting_fact
from .pipeline import stream
from .shares import Shares, ShareTally
from .sources import Source, open_source
from .types import Frame, Observation

if TYPE_CHECKING:
    from .pipeline import Sink
    from .storage.session import Marker
    from .study.lsl import LslReader
    from .study.session import StudyOptions, StudySession

INTERRUPTED = "interrupted"
"""Why a run ended that a person, or whoever iterated over it, broke off."""


@dataclass(frozen=True)
class LslOptions:
    """Streams to take in, by name, and whether a stream is sent."""

    take: tuple[str, ...] = ()
    send: bool = False


@dataclass(frozen=True)
class RunOptions:
    """What a run is asked to do.

    Attributes:
        source: a file, a folder of pictures, `camera:0`, a stream's URL, or `demo[:SECONDS]`.
        out: the session's folder; None keeps nothing.
        video: record an annotated video into `out`, too.
        replace: overwrite the session that is there.
        seconds: stop after this much of the source; None: at its end.
        resting_save: keep the resting face that is taken off (`pipeline.resting`) under this name.
        study: the study that it joins, which says where it is written: `out` is None.
        lsl: streams of Lab Streaming Layer whose markers and signals are kept, and whether observations are sent.
    """

    source: str = "demo"
    out: Path | None = None
    video: bool = False
    replace: bool = False
    seconds: float | None = None
    pipeline: PipelineOptions = field(default_factory=PipelineOptions)
    resting_save: str | None = None
    study: StudyOptions | None = None
    lsl: LslOptions = field(default_factory=LslOptions)


@dataclass(frozen=True)
class SessionSummary:
    """What a run came to.

    Attributes:
        source: its name, without folders.
        ended: why, in words for people.
        live: the source was a camera or stream, which only a person or a fault ends.
        interrupted: a person ended it.
        frames, faces: counts; the same face counts in every frame.
        not_finite: faces left out because the model's answer was NaN or infinite.
        unsuitable: how often a face was not read, by the reason.
        subjects: of a study: how many observations were whose; those of "" were nobody's.
        shares: how long each expression was shown, by each face and together, and how many people there were.
        still: it was pictures, which have no time.
        seconds: that it took.
        stage_seconds: of these in each stage of the pipeline.
        expressions: share 0..1 of the faces' time with each label, the longest first.
        device: what served: backend, version, device, precision, threads, restarts, degraded.
        detector: the name of the one that served.
        resting: which resting face was taken off, and how many faces of; None: none was.
        outputs: what was written -> where.
        skipped: a line a picture that could not be read.
        dropped: frames of a live source that came while others were looked at.
        streams: a line for each time that a stream of Lab Streaming Layer stopped, came back or was odd.
        failure: what ended it before its time, or None.
    """

    source: str
    ended: str
    live: bool
    interrupted: bool
    frames: int
    faces: int
    not_finite: int
    unsuitable: dict[str, int]
    subjects: dict[str, int]
    seconds: float
    stage_seconds: dict[str, float]
    expressions: dict[str, float]
    shares: Shares
    still: bool
    device: dict[str, Any]
    detector: str
    resting: dict[str, Any] | None
    outputs: dict[str, Path]
    skipped: list[str]
    dropped: int
    streams: list[str]
    failure: FerEdgeError | None


Build = Callable[[PipelineOptions], BuiltPipeline]
Open = Callable[[str, int], Source]


class Analysis:
    """A run in progress: iterate over it for observations, or over `frames()` for pictures with what was seen in them.

    Everything is closed when the source ends, the loop is left, or an error ends it; a context manager does the same.
    """

    def __init__(
        self,
        options: RunOptions,
        on_notice: Callable[[str], None] = lambda text: None,
        build: Build = build_pipeline,
        opener: Open = open_source,
    ) -> None:
        """Open source, pipeline and outputs; `on_notice` gets lines for people, such as which detector serves.

        Args:
            build: makes the pipeline; `KeptModels.built` where many runs share what is open.
            opener: opens the source.

        Raises UsageError, SourceError, BundleError kinds, DeviceNotFound, DeviceFailed, MissingExtra, OutputError.
        """
        with ExitStack() as opened:
            self._study = _joined(options)
            if self._study:
                opened.callback(self._study.close)
                seated = dataclasses.replace(options.pipeline, **self._study.seats)
                options = dataclasses.replace(options, out=self._study.folder, pipeline=seated)
            self.options, self._started = options, monotonic()
            self.source: Source = opener(options.source, options.pipeline.threads or default_threads())
            opened.callback(self.source.close)
            if self._study and self.source.still:
                raise _no_time(self.source)
            still = self.source.still if options.pipeline.mirrored is None else options.pipeline.mirrored
            thinned = options.pipeline.faces_per_frame
            thinned = int(self.source.live) if thinned is None else thinned
            built = build(dataclasses.replace(options.pipeline, mirrored=still, faces_per_frame=thinned))
            self.pipeline = built.pipeline
            if not built.kept:
                opened.callback(built.classifier.close)
            self._check_resting()
            if built.notice:
                on_notice(built.notice)
            facts = {**measured_fact(built.classifier), **(self._study.facts if self._study else {})}
            self._lsl = self._open_lsl(opened, on_notice)
            facts |= {"lsl": [reader.about for reader in self._lsl]} if self._lsl else {}
            wanted = (options.out, options.video, options.replace)
            self._outputs = Outputs(*wanted, self.source, self.pipeline, on_notice, facts)
            self._outputs.on_begun = self._start_lsl
            self._opened = opened.pop_all()
        self._shares = ShareTally(lambda: self.pipeline.turns.hold_s)
        self._started = monotonic()
        self.summary: SessionSummary | None = None  # None too after a run that saw nothing
        self._closed = False
        self._saved: dict[str, Path] = {}

    @property
    def elapsed_s(self) -> float:
        """Seconds since everything was open."""
        return monotonic() - self._started

    @property
    def session(self) -> SessionSummary:
        """What it came to; raises UsageError while it goes on, and after a run that saw nothing and left nothing."""
        if self.summary is None:
            raise UsageError("the run has no summary", cause="it has not ended, or it failed before its first frame")
        return self.summary

    def __iter__(self) -> Iterator[Observation]:
        """Observations as they are made, one a face and frame; errors as `frames`."""
        for _, seen in self.frames():
            yield from seen

    def frames(self) -> Iterator[tuple[Frame, Sequence[Observation]]]:
        """Every frame with what was seen in it, once.

        Raises:
            SourceError, DeviceFailed, OutputError: when it breaks; what was seen before is kept and summed up. Stills
            without any face are a SourceError.
        """
        source, tally, seconds = self.source, self.pipeline.tally, self.options.seconds
        frames = iter(source) if seconds is None else takewhile(lambda f: f.time_s < seconds, source)
        try:
            sinks = [*self._outputs.sinks, self._shares, *self._sent]
            yield from stream(self._outputs.begun(frames), self.pipeline, sinks)
            if source.still and not tally.faces:
                raise _no_face(source)
            if tally.not_finite and not tally.labels:
                raise _no_number(tally.not_finite)
        except FerEdgeError as error:
            self.close(error.message, error)
            raise
        except BaseException:
            self.close(INTERRUPTED)
            raise
        self.close("source ended")
        if self.summary and self.summary.failure:
            raise self.summary.failure

    def close(self, ended: str = INTERRUPTED, failure: FerEdgeError | None = None) -> None:
        """End the run here; calling it again is harmless."""
        if self._closed:
            return
        self._closed = True
        elapsed_s, tally = self.elapsed_s, self.pipeline.tally
        try:
            if failure and (not tally.frames or (self.source.still and not tally.faces)):
                self._outputs.discard()
                return
            for reader in self._lsl:
                reader.close()  # what came until now is kept
            for finish in (partial(self._outputs.close, ended), self._save_resting, self._leave_study):
                try:
                    finish()
                except (OutputError, InputError) as error:
                    failure = failure or error
            self.summary = self._summarise(ended, elapsed_s, failure)
        finally:
            self._opened.close()

    @property
    def markers(self) -> tuple[str, ...]:
        """Names that the study gives to the keys 1 to 9; none without a study."""
        return self._study.study.settings.markers if self._study else ()

    def mark(self, name: str, source: str, at_s: float) -> Marker | None:
        """Keep a marker of a monotonic second, from any thread; None where nothing is kept, or before the beginning."""
        return self._outputs.mark(name, source, at_s)

    def sample(self, name: str, value: float, at_s: float) -> None:
        """Keep a finite number of a signal at a monotonic second, from any thread; as `mark`."""
        self._outputs.sample(name, value, at_s)

    def __enter__(self) -> Analysis:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def _open_lsl(self, opened: ExitStack, on_notice: Callable[[str], None]) -> list[LslReader]:
        """Streams to take in, opened and not started, and the one to send; closed with everything else."""
        lsl = self.options.lsl
        self._sent: list[Sink] = []
        self._said: list[str] = []
        if not lsl.take and not lsl.send:
            return []
        if not self.source.live:
            raise UsageError(
                f"{self.source.name} is no camera or stream: Lab Streaming Layer tells of what happens now",
                cause="a film's times are its own",
                hint="the same command without --lsl-in and --lsl-out",
            )
        if lsl.take and self.options.out is None:
            raise UsageError("--lsl-in needs a session to write to", hint="the same command with --out DIR")
        from .study.lsl import LslReader
        from .study.lsl_outlet import LslWriter

        def say(line: str) -> None:
            self._said.append(f"{line} ({self.elapsed_s:.1f} s)")
            on_notice(self._said[-1])

        readers = [opened.enter_context(closing(LslReader(name, self, say))) for name in dict.fromkeys(lsl.take)]
        if lsl.send:
            subjects = self._study.options.subjects if self._study else ()
            writer = LslWriter(self.pipeline.classifier.labels, subjects, lambda: self._began_s)
            self._sent.append(opened.enter_context(closing(writer)))
        return readers

    def _start_lsl(self) -> None:
        for reader in self._lsl:
            reader.start()

    @property
    def _began_s(self) -> float | None:
        """The monotonic second of the first frame; None before it."""
        began_s = getattr(self.source, "began_s", math.nan)
        return began_s if math.isfinite(began_s) else None

    def _check_resting(self) -> None:
        """Raise UsageError where this run cannot use or keep the resting face that it was asked for."""
        options, resting = self.options, self.pipeline.resting
        if resting:
            from .resting import check_use  # with sessions and their store

            check_use(resting, options.source, self.source.still, options.resting_save)
        elif options.resting_save is not None:
            cause = "--resting-save keeps what --resting names"
            raise UsageError("there is no resting face to be kept", cause=cause, hint=ANEW)

    def _save_resting(self) -> None:
        if self.pipeline.resting and self._study and (kept := self._study.keep_resting(self.pipeline.resting)):
            self._saved["resting"] = kept
        if self.pipeline.resting and self.options.resting_save is not None:
            from .resting import save_profile

            self._saved["resting"] = save_profile(self.options.resting_save, self.pipeline.resting.profile())

    def _leave_study(self) -> None:
        if self._study:
            self._study.close()

    def _summarise(self, ended: str, elapsed_s: float, failure: FerEdgeError | None) -> SessionSummary:
        source, tally = self.source, self.pipeline.tally
        shares = self._shares.shares()
        return SessionSummary(
            source=source.name,
            ended=ended,
            live=source.live,
            interrupted=ended == INTERRUPTED,
            frames=tally.frames,
            faces=tally.faces,
            not_finite=tally.not_finite,
            unsuitable=dict(tally.unsuitable),
            subjects=dict(tally.subjects),
            seconds=elapsed_s,
            stage_seconds=dict(tally.seconds),
            expressions=dict(shares.expressions),
            shares=shares,
            still=source.still,
            device=self.pipeline.classifier.describe(),
            detector=self.pipeline.detector.name,
            resting=resting_fact(self.pipeline),
            outputs={**self._outputs.paths, **self._saved},
            skipped=list(getattr(source, "skipped", [])),
            dropped=int(getattr(source, "dropped", 0)),
            streams=list(self._said),
            failure=failure,
        )


OnFrame = Callable[[Analysis, Frame, Sequence[Observation]], None]


def run_session(
    options: RunOptions,
    on_frame: OnFrame = lambda *seen: None,
    on_notice: Callable[[str], None] = lambda text: None,
    build: Build = build_pipeline,
    opener: Open = open_source,
) -> SessionSummary:
    """Run to the end of the source, or until Ctrl-C, and say what was seen; `failure` in it says what broke it off.

    Args:
        build, opener: as `Analysis`.

    Raises:
        as `Analysis`, and the failure itself when nothing was seen before it.
    """
    analysis = Analysis(options, on_notice, build, opener)
    try:
        for frame, seen in analysis.frames():
            on_frame(analysis, frame, seen)
    except KeyboardInterrupt:
        analysis.close()
    except FerEdgeError as error:
        analysis.close(error.message, error)
        if analysis.summary is None:
            raise
    return analysis.session


def analyze(
    source: str | Path,
    *,
    bundle: Bundle | Path | str | None = None,
    device: str | None = None,
    out: Path | str | None = None,
    video: bool = False,
    replace: bool = False,
    seconds: float | None = None,
    options: PipelineOptions = DEFAULTS,
) -> Analysis:
    """Open a source and a pipeline; iterate over the result for observations, then ask it for its `session`.

    Args:
        source: a file, a folder of pictures, `camera:0`, a stream's URL, or `demo[:SECONDS]`.
        out, video, replace, seconds: as in `RunOptions`.
        options: everything that a pipeline is made of; bundle and device, where they are given, come before it.

    Raises:
        as `Analysis`.
    """
    pipeline = dataclasses.replace(options, bundle=bundle or options.bundle, device=device or options.device)
    folder = None if out is None else Path(out)
    return Analysis(RunOptions(str(source), folder, video, replace, seconds, pipeline))


def _joined(options: RunOptions) -> StudySession | None:
    if options.study is None:
        return None
    from .study.session import StudySession  # with its register and SQLite, which no other run needs

    return StudySession(options.study, options.pipeline.resting is not None)


def _no_face(source: Source) -> SourceError:
    many = f"any of the {source.frames} pictures of " if source.frames != 1 else ""
    return SourceError(
        f"no face was found in {many}{source.name}",
        cause="there is none, or it is too small, turned away or hidden",
        hint="the same command with --detector yunet --detect-width 0",
    )


def _no_time(source: Source) -> UsageError:
    return UsageError(
        f"{source.name} is pictures, and a study's sessions are films or of a camera",
        cause="pictures have no time, and who is on them is not followed from one to the next",
        hint="the same command without --study",
    )


def _no_number(count: int) -> DeviceFailed:
    return DeviceFailed(
        f"not one of the model's answers to {counted(count, 'face')} is a finite number (NaN or infinite)",
        cause="the graph divides by what can be 0 or overflows on this device, such as in float16",
        hint="fer-edge bundle check BUNDLE",
    )
