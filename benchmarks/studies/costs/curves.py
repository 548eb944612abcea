"""How the stages' time grows with faces in view and with pixels: what becomes the next limit.

`python -m fer_edge.benchmarks.studies.costs.curves [--bundle NAME] [--csv FILE] [--plot FILE]`. Pictures are made of
the demo's portraits, which are in the public domain. Processor time on one thread, the least mean of ROUNDS rounds.
Cameras are another matter: `PYTHONPATH=tests python -m campaigns.cameras`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time

import numpy as np
from numpy.typing import NDArray

from ....bundle import Image, write_text
from ....devices.cpu import limit_threads
from ....errors import InputError
from ....runtime.build import PipelineOptions, build_pipeline
from ....runtime.pipeline import Looked, Pipeline
from ....runtime.types import Face, Frame, Track
from .instructions import WHOLE_EVERY
from .pictures import one_face, wall_of

FACES = (1, 2, 4, 8, 12, 16)
PIXELS = {
    "240p": (426, 240), "480p": (640, 480), "720p": (1280, 720), "1080p": (1920, 1080), "1440p": (2560, 1440),
    "4K": (3840, 2160),
}  # fmt: skip
ROUNDS, PASSES = 5, 5
STAGES = ("capture", "detect", "near", "crop", "infer", "smooth")


@dataclass(frozen=True)
class Point:
    """Milliseconds of the stages of one picture.

    Attributes:
        curve: faces or pixels; value: how many faces, or the picture's name.
        ms: by stage; `capture` is decoding a JPEG, as from a USB camera, `detect` the search of the whole picture,
            `near` that of the known faces' places.
    """

    curve: str
    value: str
    ms: dict[str, float]

    @property
    def frame(self) -> float:
        """A frame at 12 a second, when one of WHOLE_EVERY is searched whole."""
        rest = sum(ms for stage, ms in self.ms.items() if stage not in ("detect", "near"))
        return rest + self.ms["detect"] / WHOLE_EVERY + self.ms["near"] * (1 - 1 / WHOLE_EVERY)


def measure(pipeline: Pipeline, curve: str, value: str, picture: Image, faces: int) -> Point:
    """The stages of a picture; raises InputError where not so many faces are found in it."""
    from ....opencv import cv2

    jpeg = cv2.imencode(".jpg", picture)[1]
    found = pipeline.detector.detect(picture)
    if len(found) != faces:
        raise InputError(f"{len(found)} faces were found in a picture of {faces}")
    tracks = [Track(number, face) for number, face in enumerate(found)]
    crops = [pipeline.classifier.crop(picture, face) for face in found]
    answers = list(pipeline.classifier.probabilities(np.stack(crops)))
    looked = Looked(Frame(0, 0.0, picture), tracks, crops, [""] * faces)
    stages: dict[str, Callable[[], object]] = {
        "capture": lambda: cv2.imdecode(jpeg, cv2.IMREAD_COLOR),
        "detect": lambda: pipeline.detector.detect(picture),
        "near": lambda: pipeline.detector.near(picture, [face.box for face in found]),
        "crop": lambda: _cut(pipeline, picture, found),
        "infer": lambda: pipeline.classifier.probabilities(np.stack(crops)),
        "smooth": lambda: pipeline.conclude(looked, answers),
    }
    return Point(curve, value, {name: least_ms(once) for name, once in stages.items()})


def _cut(pipeline: Pipeline, picture: Image, found: Sequence[Face]) -> list[NDArray[np.uint8]]:
    from ....runtime.vision.quality_gate import unsuitable

    crops = [pipeline.classifier.crop(picture, face) for face in found]
    for face, crop in zip(found, crops, strict=True):
        unsuitable(face, crop, (picture.shape[1], picture.shape[0]))
    return crops


def least_ms(once: Callable[[], object]) -> float:
    """Processor time of a pass: the least of the rounds' means, after a round that warms up."""
    means = []
    for _ in range(ROUNDS + 1):
        began = process_time()
        for _ in range(PASSES):
            once()
        means.append(1000 * (process_time() - began) / PASSES)
    return min(means[1:])


def curves(bundle: str) -> list[Point]:
    """Both curves of a bundle, on one thread."""
    built = build_pipeline(PipelineOptions(bundle=bundle, threads=1, detector="yunet", mirrored=False))
    limit_threads(1)
    try:
        many = [measure(built.pipeline, "faces", str(n), wall_of(n), n) for n in FACES]
        sizes = [measure(built.pipeline, "pixels", name, one_face(*size), 1) for name, size in PIXELS.items()]
    finally:
        built.classifier.close()
    return many + sizes


def table(points: Sequence[Point]) -> str:
    """Markdown: a row a picture, its stages, and the frame over that of the curve's first."""
    rows = []
    for curve in dict.fromkeys(p.curve for p in points):
        of = [p for p in points if p.curve == curve]
        rows += ["", f"| {curve} | {' | '.join(STAGES)} | frame | times the first |", "|---" * (len(STAGES) + 3) + "|"]
        for p in of:
            cells = " | ".join(f"{p.ms[stage]:.2f}" for stage in STAGES)
            rows.append(f"| {p.value} | {cells} | {p.frame:.2f} | {p.frame / of[0].frame:.2f} |")
    return "\n".join(rows[1:])


def report(bundle: str = "default") -> str:
    """The section of the machine's page; errors as `measure` and `build_pipeline`."""
    return about(bundle, curves(bundle))


def about(bundle: str, points: Sequence[Point]) -> str:
    """The section, of what was measured."""
    return f"""One thread, bundle {bundle}, pictures made of the demo's portraits; ms of processor time, the least mean
of {ROUNDS} rounds of {PASSES} passes. `capture` decodes a JPEG, as from a USB camera. `frame` is the sum, with one of
{WHOLE_EVERY} pictures searched whole, as for a camera of 12 frames a second. Faces are in pictures of 640 x 480, each
120 pixels wide with its surroundings; for pixels, one portrait is as high as the picture.

{table(points)}"""


def save(path: Path, bundle: str, points: Sequence[Point]) -> None:
    """A CSV file, a row a picture and stage, and one for the frame."""
    rows = [
        f"{bundle},{p.curve},{p.value},{stage},{ms:.4f}"
        for p in points
        for stage, ms in {**p.ms, "frame": p.frame}.items()
    ]
    write_text(path, "\n".join(["bundle,curve,value,stage,ms", *rows]) + "\n")


def plot(path: Path, points: Sequence[Point]) -> None:
    """PNG: milliseconds of each stage against faces, and against pixels; raises MissingExtra."""
    from ....files import writing
    from ....runtime.report.plots import figure_class

    figure = figure_class()(figsize=(9, 4), layout="constrained")
    for axes, curve in zip(figure.subplots(1, 2), ("faces", "pixels"), strict=True):
        of = [p for p in points if p.curve == curve]
        for stage in STAGES:
            axes.plot([p.value for p in of], [p.ms[stage] for p in of], marker="o", markersize=3, label=stage)
        axes.plot([p.value for p in of], [p.frame for p in of], color="black", linewidth=2, label="frame")
        axes.set(xlabel=curve, ylabel="ms", yscale="log")
        axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    with writing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100)


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m fer_edge.benchmarks.studies.costs.curves", description=__doc__)
    parser.add_argument("--bundle", default="default")
    parser.add_argument("--csv", type=Path, metavar="FILE")
    parser.add_argument("--plot", type=Path, metavar="FILE")
    args = parser.parse_args()
    points = curves(args.bundle)
    print(about(args.bundle, points))
    if args.csv:
        save(args.csv, args.bundle, points)
    if args.plot:
        plot(args.plot, points)


if __name__ == "__main__":
    main()
