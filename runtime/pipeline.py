"""One frame in, observations out: single-threaded and deterministic."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from time import perf_counter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..bundle import Image, softmax
from ..errors import NotFinite
from .types import Face, Frame, Observation, Track
from .vision.detectors import Detector
from .vision.quality_gate import UNSUITABLE, unsuitable
from .vision.region_search import Memory, RegionSearch
from .vision.resting_face import RestingFace
from .vision.seating import Seating
from .vision.smoothing import Smoother
from .vision.tracker import IouTracker
from .vision.turns import Turns


class FaceClassifier(Protocol):
    """Turns faces into probabilities; `classify.Classifier` is the one that runs bundles."""

    labels: tuple[str, ...]

    def crop(self, bgr: Image, face: Face) -> Image:
        """The uint8 RGB crop that `probabilities` takes."""

    def probabilities(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """float32 (N, classes) of crops uint8 (N, S, S, 3); raises NotFinite, DeviceFailed."""

    def idle(self) -> None:
        """A frame had no face; raises DeviceFailed when the device is found gone."""

    def describe(self) -> dict[str, Any]:
        """Backend, version, device, settings, artifact."""


class Sink(Protocol):
    """Takes what was seen: a store, a video, a broker."""

    def write(self, frame: Frame, observations: Sequence[Observation]) -> None:
        """Take one frame's observations; raises OutputError."""

    def close(self) -> None:
        """Finish what was written."""


@dataclass
class Tally:
    """What a run has done so far.

    Attributes:
        frames, faces: counts.
        not_finite: faces whose answer was NaN or infinite; they are not observed, and nothing averages over them.
        unsuitable: how many faces were not read, by the reason.
        subjects: how many observations were whose, where subjects have seats.
        seconds: time spent in each stage.
        labels: how many observations showed each label.
    """

    frames: int = 0
    faces: int = 0
    not_finite: int = 0
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    labels: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    unsuitable: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    subjects: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    @contextmanager
    def timing(self, stage: str) -> Iterator[None]:
        """Add the time of a block to a stage."""
        start = perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += perf_counter() - start


@dataclass(frozen=True)
class Looked:
    """The faces of one frame before the model sees them.

    Attributes:
        tracks, crops, reasons: of each face its track, its crop, and why it is not to be read or "".
    """

    frame: Frame
    tracks: Sequence[Track]
    crops: Sequence[Image]
    reasons: Sequence[str]

    @property
    def readable(self) -> list[Image]:
        """The crops that the model is to see."""
        return [crop for crop, why in zip(self.crops, self.reasons, strict=True) if not why]


@dataclass(frozen=True)
class Known:
    """A frame that was looked at before: what the search remembered after it, and of each face in view why it is not
    to be read or "", and of each of the others the model's answer, or None where that was no finite number."""

    memory: Memory
    reasons: Sequence[str]
    rows: Sequence[NDArray[np.float32] | None]


class Pipeline:
    """Detector, tracker, crop, classifier and smoother in a row."""

    def __init__(
        self,
        detector: Detector,
        classifier: FaceClassifier,
        smoother: Smoother,
        detect_every: int = 0,
        infer_every_s: float = 0.0,
        faces_per_frame: int = 0,
        max_faces: int = 0,
        resting: RestingFace | None = None,
        quality_gate: bool = True,
        seating: Seating | None = None,
    ) -> None:
        """Put the parts in a row.

        Args:
            detect_every: as RegionSearch.
            infer_every_s, faces_per_frame: how often faces are classified, and observed: see Turns. The smoother is
                aware of time; a new face is classified at once, beside that.
            max_faces: in one frame, the best first; 0: all.
            resting: takes the resting face off each answer, before anything else sees it.
            quality_gate: faces that cannot be read are observed as `unsuitable`, and not guessed.
            seating: says whose face is which.
        """
        self.detector, self.classifier, self.smoother = detector, classifier, smoother
        self.tracker, self.search = IouTracker(), RegionSearch(detector, detect_every, max_faces)
        self.tally = Tally()
        self.turns, self.resting = Turns(infer_every_s, faces_per_frame), resting
        self._gate, self.seating = quality_gate, seating
        self.recall: Callable[[Frame], Known | None] = lambda frame: None
        """What is known of a frame already, whose picture `process` does not look at then."""

    def process(self, frame: Frame) -> tuple[Observation, ...]:
        """Observations of one frame, one a face; the same for the same frames in the same order."""
        known = self.recall(frame)
        return self._again(frame, known) if known else process_together([(self, frame)])[0]

    def _again(self, frame: Frame, known: Known) -> tuple[Observation, ...]:
        """Observations of a frame that was looked at before, of which every face was read that could be."""
        self.tally.frames += 1
        self.search.memory = known.memory
        found = self.tracker.update(self.search.faces, frame.time_s)
        self.tally.faces += len(found)
        return self.conclude(Looked(frame, self.turns.due(found, frame.time_s), (), known.reasons), known.rows)

    def look(self, frame: Frame) -> Looked:
        """Find the faces of a frame that are to be classified now, and cut them out."""
        tally = self.tally
        tally.frames += 1
        with tally.timing("detect"):
            found = self._find(frame)
        if self.seating:
            self.seating.see(found, frame.image.shape[1])
        tracks = self.turns.due(found, frame.time_s)
        tally.faces += len(found)
        if not tracks:
            return Looked(frame, (), (), ())
        with tally.timing("crop"):
            crops = [self.classifier.crop(frame.image, t.face) for t in tracks]
            reasons = [self._reason(frame, track, crop) for track, crop in zip(tracks, crops, strict=True)]
        return Looked(frame, tracks, crops, reasons)

    def conclude(self, looked: Looked, rows: Iterable[NDArray[np.float32] | None]) -> tuple[Observation, ...]:
        """Observations of what was looked at.

        Args:
            rows: probabilities of each of `looked.readable`; None where the device's answer was no finite number.
        """
        tally, frame, answers = self.tally, looked.frame, iter(rows)
        if not looked.tracks:
            return ()
        with tally.timing("smooth"):
            told = zip(looked.tracks, looked.reasons, strict=True)
            made = [self._unread(frame, t, why) if why else self._observe(frame, t, next(answers)) for t, why in told]
        seen = tuple(observation for observation in made if observation is not None)
        tally.not_finite += len(made) - len(seen)
        for observation in seen:
            tally.labels[observation.label] += 1
            if observation.reason:
                tally.unsuitable[observation.reason] += 1
            if self.seating:
                tally.subjects[observation.subject] += 1
        return seen

    def _reason(self, frame: Frame, track: Track, crop: Image) -> str:
        """Why a face is not to be read, or nothing."""
        height, width = frame.image.shape[:2]
        return unsuitable(track.face, crop, (width, height)) if self._gate else ""

    def _find(self, frame: Frame) -> list[Track]:
        return self.tracker.update(self.search.find(frame.image, frame.time_s), frame.time_s)

    def _observe(self, frame: Frame, track: Track, probabilities: NDArray[np.float32] | None) -> Observation | None:
        """What one face shows; None where the device's answer was no finite number."""
        if probabilities is None:
            return None
        if self.resting:
            probabilities = self.resting.take_off(track.number, frame.time_s, probabilities)
        smoothed = self.smoother.update(track.number, frame.time_s, probabilities)
        return Observation(
            frame=frame.index,
            time_s=frame.time_s,
            track=track.number,
            label=smoothed.label,
            confidence=smoothed.confidence,
            raw_label=self.classifier.labels[int(probabilities.argmax())],
            probabilities=tuple(float(p) for p in probabilities),
            box=track.face.box,
            subject=self._subject(track),
        )

    def _unread(self, frame: Frame, track: Track, reason: str) -> Observation:
        """A face that is there and was not read."""
        seen = (frame.index, frame.time_s, track.number, UNSUITABLE, 0.0, UNSUITABLE, (), track.face.box)
        return Observation(*seen, reason, self._subject(track))

    def _subject(self, track: Track) -> str:
        return self.seating.of(track.number) if self.seating else ""


def process_together(work: Sequence[tuple[Pipeline, Frame]]) -> list[tuple[Observation, ...]]:
    """Observations of one frame of each pipeline, whose faces are one batch for the classifier that they share.

    The batch's time is shared out by faces, as the stage `infer` of each. Raises DeviceFailed: none of the frames is
    observed then.
    """
    looked = [pipeline.look(frame) for pipeline, frame in work]
    counts = [len(one.readable) for one in looked]
    start = perf_counter()
    try:
        rows = iter(answers_of(work[0][0].classifier, [crop for one in looked for crop in one.readable]))
    finally:
        spent = perf_counter() - start
        for (pipeline, _), count in zip(work, counts, strict=True):
            if count:
                pipeline.tally.seconds["infer"] += spent * count / sum(counts)
    return [
        pipeline.conclude(one, islice(rows, count))
        for (pipeline, _), one, count in zip(work, looked, counts, strict=True)
    ]


def answers_of(classifier: FaceClassifier, crops: Sequence[Image]) -> Sequence[NDArray[np.float32] | None]:
    """One row of probabilities a crop; None where the answer was no finite number. Of none the device is not asked."""
    if not crops:
        classifier.idle()
        return []
    try:
        return list(classifier.probabilities(np.stack(crops)))
    except NotFinite as error:
        return [softmax(row) if np.isfinite(row).all() else None for row in error.answer]


def stream(
    frames: Iterable[Frame], pipeline: Pipeline, sinks: Sequence[Sink]
) -> Iterator[tuple[Frame, tuple[Observation, ...]]]:
    """Send every frame through the pipeline and to every sink, and give it with what was seen; the sinks stay open."""
    tally = pipeline.tally
    iterator = iter(frames)
    while True:
        with tally.timing("capture"):
            frame = next(iterator, None)
        if frame is None:
            return
        seen = pipeline.process(frame)
        with tally.timing("publish"):
            for sink in sinks:
                sink.write(frame, seen)
        yield frame, seen


def run(frames: Iterable[Frame], pipeline: Pipeline, sinks: Sequence[Sink]) -> Tally:
    """Send every frame through the pipeline and to every sink; the caller closes the sinks."""
    for _ in stream(frames, pipeline, sinks):
        pass
    return pipeline.tally
