"""What doing less costs: whole pictures searched less often, fewer inferences, and a resting face taken off.

`python -m fer_edge.benchmarks.studies.frame_skipping CLIP...`. Each way is the kiosk's own pipeline on one thread, over
the whole clip, against one that detects and classifies in every frame. Ways take turns, so that
the machine's noise is shared.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...bundle import Bundle, open_bundle
from ...runtime.build import PipelineOptions, build_pipeline
from ...runtime.sources import open_source
from ...runtime.types import Frame, Observation
from ...runtime.vision.tracker import overlap

EVERY = "every frame"
WAYS: dict[str, dict[str, Any]] = {
    EVERY: {"detect_every": 1},
    "whole picture every 0.3 s": {},
    "whole picture every 3rd frame": {"detect_every": 3},
    "infer 10 a second": {"detect_every": 1, "infer_every_s": 0.1},
    "infer 5 a second": {"detect_every": 1, "infer_every_s": 0.2},
    "whole picture every 0.3 s, infer 10 a second": {"infer_every_s": 0.1},
}
SAME_PLACE = 0.5
"""Overlap of two boxes from which they are the same face."""
BASELINE_S = 5.0
"""The clips last half a minute at most; a kiosk's default is a minute."""


@dataclass(frozen=True)
class Watched:
    """One way over one clip.

    Attributes:
        shown: of each frame, the face boxes with the label that is shown, whether it is of this frame or older.
        ms: milliseconds of the processor's time a frame, which other programs disturb less than time that passes.
        labels: how many observations showed each.
    """

    shown: list[list[Observation]]
    ms: float
    labels: Counter[str]


def watch(bundle: Bundle, frames: Sequence[Frame], baseline: bool = False, **work: Any) -> Watched:
    """Run the pipeline once over the frames."""
    if baseline:
        work["resting"] = f"own:{BASELINE_S:g}s"
    built = build_pipeline(PipelineOptions(bundle=bundle, threads=1, detector="yunet", **work))
    pipeline = built.pipeline
    newest: dict[int, Observation] = {}
    began = time.process_time()
    shown, labels = [], Counter[str]()
    for frame in frames:
        for observation in pipeline.process(frame):
            newest[observation.track] = observation
            labels[observation.label] += 1
        newest = {n: o for n, o in newest.items() if frame.time_s - o.time_s <= 0.5}
        shown.append(list(newest.values()))
    spent = time.process_time() - began
    built.classifier.close()
    return Watched(shown, 1000 * spent / len(frames), labels)


def agreement(way: Watched, plain: Watched) -> float:
    """Share of the faces of every frame of `plain` that `way` shows at the same place with the same label."""
    same = total = 0
    for here, there in zip(way.shown, plain.shown, strict=True):
        for face in there:
            near = max(here, key=lambda o: overlap(o.box, face.box), default=None)
            total += 1
            same += near is not None and overlap(near.box, face.box) >= SAME_PLACE and near.label == face.label
    return same / total if total else 1.0


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print two tables in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m fer_edge.benchmarks.studies.frame_skipping", description=__doc__)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args(argv)
    bundle = open_bundle()
    films = {clip.stem: list(open_source(str(clip))) for clip in args.clips}
    _print_work(bundle, films, args.rounds)
    _print_baseline(bundle, films)
    return 0


def _print_work(bundle: Bundle, films: dict[str, list[Frame]], rounds: int) -> None:
    ms: dict[str, dict[str, list[float]]] = {way: {film: [] for film in films} for way in WAYS}
    kept: dict[tuple[str, str], Watched] = {}
    for _ in range(rounds):
        for film, frames in films.items():
            for way, work in WAYS.items():
                kept[way, film] = watch(bundle, frames, **work)
                ms[way][film].append(kept[way, film].ms)
    print("| way | processor time, of all of it | same label on the same face: mean, least of the clips |")
    print("|---|---|---|")
    for way in WAYS:
        ratios = [a / b for film in films for a, b in zip(ms[way][film], ms[EVERY][film], strict=True)]
        same = [agreement(kept[way, film], kept[EVERY, film]) for film in films]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"| {way} | {spread} | {statistics.mean(same):.3f}, {min(same):.3f} |")


def _print_baseline(bundle: Bundle, films: dict[str, list[Frame]]) -> None:
    print("\n| clip | shown without a baseline | with it | the same label |\n|---|---|---|---|")
    for film, frames in films.items():
        plain, off = watch(bundle, frames), watch(bundle, frames, baseline=True)
        print(f"| {film} | {_shares(plain.labels)} | {_shares(off.labels)} | {agreement(off, plain):.2f} |")


def _shares(labels: Counter[str]) -> str:
    total = max(1, labels.total())
    return ", ".join(f"{label} {count / total:.0%}" for label, count in labels.most_common() if count / total >= 0.005)


if __name__ == "__main__":
    raise SystemExit(main())
