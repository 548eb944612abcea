"""A film put together from its segments: a run over all of it, which looks itself where a segment began otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ...build import BuiltPipeline, PipelineOptions
from ...pipeline import Known
from ...run import Build
from ...sources.video import VideoSource
from ...types import Frame
from .divide import Division
from .seen import pictures, read_ends, read_seen

NO_PICTURE = np.zeros((1, 1, 3), np.uint8)
"""Stands for a picture at which nobody looks again."""


class Joined:
    """Opens the source and builds the pipeline of a run that has the result of one over the whole film.

    The search for faces is the only part of a pipeline that looks at pictures and remembers what it saw. As long as it
    remembers in the run what it did in the segment, what was seen there is what the run would see, and is taken;
    where a segment begins with another memory, the run looks at the pictures until both remember the same. Tracker and
    smoother go through the whole film from its beginning to its end.

    Attributes:
        again: pictures that the run has looked at.
    """

    def __init__(self, division: Division, seen: Sequence[Path], build: Build) -> None:
        """`seen`: the file of each segment; `build`: as `run_session`."""
        self._division, self._seen, self._build = division, seen, build
        self._known: Known | None = None
        self.again = 0

    def built(self, options: PipelineOptions) -> BuiltPipeline:
        """The pipeline; see `build_pipeline`."""
        built = self._build(options)
        self._search = built.pipeline.search
        built.pipeline.recall = self._recall
        return built

    def source(self, text: str, threads: int) -> VideoSource:
        """The film; see `open_source`."""
        return _JoinedFilm(Path(text), threads, self, self._division.reached_s)

    def pictures(self, path: Path, threads: int) -> Iterator[tuple[float, Any]]:
        """Of every picture the stamp, and NO_PICTURE where it is known what is in it."""
        for segment, seen in zip(self._division.segments, self._seen, strict=True):
            memory, images = read_ends(seen).memory, pictures(path, threads, segment)  # opened when one is asked for
            for stamp_s, known in read_seen(seen):
                same = self._search.memory == memory
                self._known, memory = known if same else None, known.memory
                self.again += not same
                yield stamp_s, NO_PICTURE if same else next(image for at_s, image in images if at_s >= stamp_s)

    def _recall(self, frame: Frame) -> Known | None:
        return self._known


def fit(seen: Sequence[Path]) -> bool:
    """Whether segments were read alike: the last picture of each is that which the next one saw before its own."""
    ends = [read_ends(path) for path in seen]
    return all(one.last == other.before for one, other in pairwise(ends))


class _JoinedFilm(VideoSource):
    def __init__(self, path: Path, threads: int, joined: Joined, reached_s: float) -> None:
        super().__init__(path, threads)
        self._joined = joined.pictures(path, threads)
        self.decoder.reached_s = reached_s

    def pictures(self) -> Iterator[tuple[float | None, Any]]:
        return self._joined
