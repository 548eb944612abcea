"""The row of scope `pipeline`: a clip from capture to publishing, its stages timed, and what a camera would lose."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from time import monotonic, sleep

from ...errors import BundleError, DeviceFailed, DeviceNotFound, FerEdgeError, UsageError
from ...runtime.build import PipelineOptions, pipeline_around
from ...runtime.pipeline import Pipeline
from ...runtime.sources import Source, open_source
from ...runtime.storage.session import StoreSink
from ...runtime.types import Frame
from ..results.metrics import stage_metrics
from ..results.results import MEASURED, PARTIAL, ResultRow
from .model_row import INTERRUPTED, open_system, timed, unopened_row
from .processes import forget_peaks
from .singlestream import Rules, Watch
from .system_under_test import SystemUnderTest

STAGES = ("capture", "detect", "crop", "infer", "smooth", "publish")
PACED_S = 10.0
MAX_KEPT = 300
"""Frames kept in memory for the paced pass: they are decoded before, because a camera's pictures are not decoded."""


def pipeline_row(
    system: SystemUnderTest, rules: Rules, clip: str, detector: str = "auto", watch: Watch | None = None
) -> ResultRow:
    """Measure the whole way of a frame; a query is one frame of the clip, which begins again at its end.

    Args:
        clip: as `fer-edge run --source` takes it, but nothing live.

    Raises:
        UsageError, SourceError: the clip cannot serve.
    """
    loop = Loop(clip)
    forget_peaks()
    try:
        classifier, first_ms = open_system(system)
    except (DeviceNotFound, BundleError, DeviceFailed) as error:
        return unopened_row(system, "pipeline", error)
    with tempfile.TemporaryDirectory(prefix="fer-edge-benchmark-") as folder:
        pipeline = pipeline_around(classifier, PipelineOptions(detector=detector))
        line = Line(pipeline, loop, Path(folder))
        try:
            row = timed(system.row("pipeline", MEASURED), classifier, line.frame, rules, watch)
            row = replace(row, first_ms=first_ms, stages=line.stages(len(row.samples_ns)))
            row = replace(row, backend={**row.backend, "detector": pipeline.detector.name, "clip": loop.name})
            return with_camera(row, line, loop, min(PACED_S, rules.seconds))
        finally:
            line.close()
            classifier.close()


class Loop:
    """A clip that begins again when it ends, its frames numbered and timed as if it went on."""

    def __init__(self, clip: str) -> None:
        """Look at it once; raises UsageError for a live source, SourceError as `open_source`."""
        self._clip = clip
        source = open_source(clip)
        self.name, self.fps = source.name, source.fps
        live, still = source.live, source.still
        source.close()
        if live or still or not self.fps:
            raise UsageError(
                f"--clip wants a video file, not {clip}",
                cause="the benchmark plays it again and again, at its own frame rate",
                hint="fer-edge benchmark --scope pipeline --clip FILE",
            )

    def __iter__(self) -> Iterator[Frame]:
        """Frames without end."""
        index, offset = 0, 0.0
        while True:
            last = 0.0
            for frame in self.once():
                yield Frame(index, offset + frame.time_s, frame.image)
                index, last = index + 1, frame.time_s
            offset += last + 1 / self.fps

    def once(self) -> Iterator[Frame]:
        """The clip's frames, and the file closed after them."""
        source: Source = open_source(self._clip)
        try:
            yield from source
        finally:
            source.close()


class Line:
    """A pipeline with a store, fed frame by frame, that remembers how long each stage took."""

    def __init__(self, pipeline: Pipeline, loop: Loop, folder: Path) -> None:
        self.pipeline, self._frames = pipeline, iter(loop)
        self._store = StoreSink(folder / "session", {})
        self._spent: dict[str, list[int]] = defaultdict(list)

    def frame(self, number: int) -> None:
        """The next frame, from the file to the store."""
        with self.pipeline.tally.timing("capture"):
            frame = next(self._frames)
        self.process(frame)

    def process(self, frame: Frame) -> None:
        """A frame that is in memory already, to the store; raises DeviceFailed, for answers that are no numbers too."""
        tally = self.pipeline.tally
        seen = self.pipeline.process(frame)
        if tally.not_finite:  # left out: the figures would be of a line that does less
            raise DeviceFailed("the model's answer to a face is no finite number (NaN or infinite)")
        with tally.timing("publish"):
            self._store.write(frame, seen)
        for stage in STAGES:
            self._spent[stage].append(round(1e9 * tally.seconds.pop(stage, 0.0)))

    def stages(self, count: int) -> dict[str, dict[str, float]]:
        """Figures of each stage over the last `count` frames; empty for none."""
        return {stage: stage_metrics(times[-count:]) for stage, times in self._spent.items()} if count else {}

    def close(self) -> None:
        """Finish the store, which is thrown away."""
        self._store.close()


def with_camera(row: ResultRow, line: Line, loop: Loop, seconds: float) -> ResultRow:
    """The row with the share of frames left out when they come at the clip's own rate."""
    if row.state != MEASURED:
        return row
    try:
        frames = list(islice(loop.once(), MAX_KEPT))
        dropped = paced(line.process, frames, loop.fps, seconds)
    except KeyboardInterrupt:
        return replace(row, state=PARTIAL, reason=f"{INTERRUPTED} at the camera's pace")
    except FerEdgeError as error:
        return replace(row, state=PARTIAL, reason=f"at the camera's pace: {error.message}", hint=error.hint)
    return replace(row, camera={"fps": loop.fps, "dropped": dropped, "seconds": seconds})


def paced(
    process: Callable[[Frame], None],
    frames: Sequence[Frame],
    fps: float,
    seconds: float,
    clock: Callable[[], float] = monotonic,
    wait: Callable[[float], None] = sleep,
) -> float:
    """Share 0..1 of a camera's frames that are never processed, because a newer one had come when there was time.

    Frame k comes at k / fps; the newest one is taken, as from a mailbox with one place.
    """
    start, last, dropped = clock(), -1, 0
    while (now := clock() - start) < seconds:
        newest = int(now * fps)
        if newest <= last:
            wait(max(0.0, (last + 1) / fps - now))
            continue
        dropped += newest - last - 1
        process(replace(frames[newest % len(frames)], index=newest, time_s=newest / fps))
        last = newest
    return dropped / (last + 1) if last >= 0 else 0.0
