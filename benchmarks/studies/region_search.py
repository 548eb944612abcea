"""What it costs and saves to look only where faces are, between two looks at the whole picture, on real clips.

`python -m fer_edge.benchmarks.studies.region_search CLIP...`. Pipelines on one thread take turns frame by frame: one
detects in the whole of every frame, one as `fer-edge run` does, and one as the first, with a camera that stands one
pixel aside: so much does every-frame detection differ from itself. Processor time is compared, not time that passes.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import thread_time

import numpy as np

from ...bundle import Image
from ...runtime.build import PipelineOptions, build_pipeline
from ...runtime.sources import open_source
from ...runtime.types import Box, Face, Frame, Observation
from ...runtime.vision.detectors.detector import SCORE, Detector, moved
from ...runtime.vision.region_search import RegionSearch
from ...runtime.vision.tracker import overlap

SAME_BOX = 0.6
"""Overlap of two boxes from which they are the same face at the same place."""


class TimedSearch(RegionSearch):
    """A search that counts the processor time of its thread."""

    spent_s = 0.0

    def find(self, image: Image, time_s: float) -> list[Face]:
        """See RegionSearch."""
        began = thread_time()
        found = super().find(image, time_s)
        self.spent_s += thread_time() - began
        return found


class Aside:
    """A detector whose camera stands one pixel further left and up than the one whose boxes it gives."""

    def __init__(self, detector: Detector) -> None:
        self.name, self._detector = detector.name, detector

    def detect(self, image: Image, least: float = SCORE) -> list[Face]:
        """See Detector."""
        return [moved(face, -1, -1) for face in self._detector.detect(_aside(image), least)]

    def near(self, image: Image, boxes: Sequence[Box]) -> list[list[Face]]:
        """See Detector."""
        there = [(left + 1, top + 1, width, height) for left, top, width, height in boxes]
        return [[moved(face, -1, -1) for face in faces] for faces in self._detector.near(_aside(image), there)]


def _aside(image: Image) -> Image:
    return np.roll(image, (1, 1), axis=(0, 1))


class Way:
    """A pipeline on one thread, whose detector has been used once before the clock runs."""

    def __init__(self, frame: Frame, detector: str, every: int, aside: bool = False) -> None:
        self._built = build_pipeline(PipelineOptions(threads=1, detector=detector, detect_every=every))
        opened: Detector = self._built.pipeline.detector
        opened.detect(frame.image)
        opened.near(frame.image, [(0, 0, 64, 64)])
        self.search = TimedSearch(Aside(opened) if aside else opened, every)
        self._built.pipeline.search = self.search
        self.see = self._built.pipeline.process
        self.close = self._built.classifier.close


@dataclass
class Likeness:
    """How like every-frame detection another way is, over one clip.

    Attributes:
        faces: of every-frame detection, from the frame on in which the other way, too, saw their track.
        boxes, labels: how many of these the other way saw at the same place; how many with the same label, too.
        shown, beside: faces of the other way; how many of them every-frame detection did not see.
        lives_s: seconds from the first to the last frame of each track of every-frame detection.
        delays_s: how much later the other way saw it; a track that it never saw is not among them.
    """

    faces: int = 0
    boxes: int = 0
    labels: int = 0
    shown: int = 0
    beside: int = 0
    lives_s: dict[int, float] = field(default_factory=dict)
    delays_s: dict[int, float] = field(default_factory=dict)
    _began_s: dict[int, float] = field(default_factory=dict)

    def add(self, plain: Sequence[Observation], other: Sequence[Observation]) -> None:
        """Count one frame, as both ways saw it."""
        for face in plain:
            near = max(other, key=lambda o: overlap(o.box, face.box), default=None)
            there = near is not None and overlap(near.box, face.box) >= SAME_BOX
            life_s = face.time_s - self._began_s.setdefault(face.track, face.time_s)
            self.lives_s[face.track] = life_s
            if there:
                self.delays_s.setdefault(face.track, life_s)
            if face.track in self.delays_s:
                self.faces += 1
                self.boxes += there
                self.labels += near is not None and there and near.label == face.label
        self.shown += len(other)
        self.beside += sum(all(overlap(o.box, face.box) < SAME_BOX for face in plain) for o in other)

    def shares(self) -> str:
        """Shares of the same boxes and of the same labels."""
        return f"{self.boxes / max(self.faces, 1):.3f}, {self.labels / max(self.faces, 1):.3f}"

    def delay(self) -> str:
        """The longest, and what was never seen."""
        missed = [life for track, life in self.lives_s.items() if track not in self.delays_s]
        never = f"; never {len(missed)}, in view for {max(missed):.2f} s" if missed else ""
        return f"{max(self.delays_s.values(), default=0):.2f} s{never}"


def compare(frames: Sequence[Frame], detector: str = "yunet", every: int = 0) -> tuple[Likeness, Likeness, float]:
    """Run over the frames of one clip.

    Args:
        every: as PipelineOptions.detect_every.

    Returns:
        how like every-frame detection it is; how like itself that is, one pixel aside; and the processor time of
        detection over that of every-frame detection.
    """
    plain, other, aside = (Way(frames[0], detector, n, moves) for n, moves in ((1, False), (every, False), (1, True)))
    alike, itself = Likeness(), Likeness()
    for frame in frames:
        seen = plain.see(frame)
        alike.add(seen, other.see(frame))
        itself.add(seen, aside.see(frame))
    for way in (plain, other, aside):
        way.close()
    return alike, itself, other.search.spent_s / plain.search.spent_s


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m fer_edge.benchmarks.studies.region_search", description=__doc__)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--detector", default="yunet")
    parser.add_argument("--every", type=int, default=0, help="as detect_every; 0: the default")
    args = parser.parse_args(argv)
    print(
        "| clip, frames a second | detection's time | same boxes, same labels | every frame, one pixel aside "
        "| faces beside | new faces later by, at most |\n|---|---|---|---|---|---|"
    )
    for clip in args.clips:
        frames = list(open_source(str(clip)))
        alike, itself, cost = compare(frames, args.detector, args.every)
        fps = (len(frames) - 1) / (frames[-1].time_s - frames[0].time_s)
        beside = f"{alike.beside} of {alike.shown}"
        told = [f"{clip.stem}, {fps:.0f}", f"{cost:.2f}", alike.shares(), itself.shares(), beside, alike.delay()]
        print(f"| {' | '.join(told)} |", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
