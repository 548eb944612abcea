"""What several faces cost beside one, and what reading them more seldom changes in the labels that are shown.

`python -m fer_edge.benchmarks.studies.costs.several_faces [CLIP ...] [--bundle NAME]`. Clips with one face each, or the
demo, play side by side in one picture of 640 x 480, each from a place of its own. Processor time on one thread, the
ways taking turns.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from time import process_time

import numpy as np

from ....bundle import Image
from ....runtime.build import PipelineOptions, build_pipeline
from ....runtime.sources import open_source
from ....runtime.types import Frame, Observation
from ..spread import Spread

WIDE, HIGH, COLUMNS, FACES = 320, 240, 2, 4
"""Pixels of a tile, tiles side by side, and tiles of the fuller picture."""
WAYS = {"one face": (1, 0), "four, all in every frame": (FACES, 0), "four, one a frame": (FACES, 1)}
"""How many tiles play, and `faces_per_frame`."""
ROUNDS, LONGEST_S = 5, 1.0
Shown = list[list[str]]
"""Of every frame the label that is shown in each tile, empty where no face was seen within half a second."""


@dataclass(frozen=True)
class Watched:
    """One way: milliseconds of the processor a frame, and what was shown."""

    ms: float
    shown: Shown


def film(source: str, most: int) -> list[Image]:
    """A clip's pictures at the size of a tile; errors as `open_source`."""
    from ....opencv import cv2

    return [np.asarray(cv2.resize(f.image, (WIDE, HIGH)), np.uint8) for f in islice(open_source(source), most)]


def walls(films: Sequence[Sequence[Image]], tiles: int, fps: float) -> Iterator[Frame]:
    """Pictures in which so many tiles play; the others stay grey."""
    for index in range(min(map(len, films))):
        picture = np.full((HIGH * FACES // COLUMNS, WIDE * COLUMNS, 3), 128, np.uint8)
        for tile in range(tiles):
            one = films[tile % len(films)]
            row, column = divmod(tile, COLUMNS)
            at = (index + tile * len(one) // FACES) % len(one)
            picture[row * HIGH : (row + 1) * HIGH, column * WIDE : (column + 1) * WIDE] = one[at]
        yield Frame(index, index / fps, picture)


def watch(frames: Sequence[Frame], per_frame: int, bundle: str) -> Watched:
    """Run the pipeline over the pictures once."""
    options = PipelineOptions(
        bundle=bundle, threads=1, detector="yunet", mirrored=False, faces_per_frame=per_frame, quality_gate=False
    )
    built = build_pipeline(options)
    newest: list[Observation | None] = [None] * FACES
    shown: Shown = []
    spent = 0.0
    for frame in frames:
        began = process_time()
        seen = built.pipeline.process(frame)
        spent += process_time() - began
        for o in seen:
            x, y = o.box[0] + o.box[2] / 2, o.box[1] + o.box[3] / 2
            newest[min(FACES - 1, int(y // HIGH) * COLUMNS + int(x // WIDE))] = o
        shown.append([o.label if o and frame.time_s - o.time_s <= LONGEST_S / 2 else "" for o in newest])
    built.classifier.close()
    return Watched(1000 * spent / len(frames), shown)


def same(way: Shown, plain: Shown) -> float:
    """Share of the faces of `plain` that `way` shows with the same label."""
    pairs = [(a, b) for here, there in zip(way, plain, strict=True) for a, b in zip(here, there, strict=True) if b]
    return sum(a == b for a, b in pairs) / len(pairs)


def lags(way: Shown, plain: Shown, most: int) -> list[int]:
    """Frames until each change of a label that lasts in `plain` shows in `way`; those that never do count as `most`."""
    found = []
    for tile in range(FACES):
        there = [labels[tile] for labels in plain]
        for index, (before, now) in enumerate(pairwise(there), 1):
            if before and now and before != now and set(there[index : index + most]) == {now}:
                later = (i for i, labels in enumerate(way[index : index + most]) if labels[tile] == now)
                found.append(next(later, most))
    return found


def report(sources: Sequence[str], bundle: str, most: int, rounds: int = ROUNDS) -> str:
    """Markdown: processor time of each way, and what is shown."""
    films = [film(source, most) for source in sources]
    fps = open_source(sources[0]).fps
    frames = {name: list(walls(films, tiles, fps)) for name, (tiles, _) in WAYS.items()}
    ms: dict[str, list[float]] = {name: [] for name in WAYS}
    kept: dict[str, Watched] = {}
    for _ in range(rounds):
        for name, (_, per_frame) in WAYS.items():
            kept[name] = watch(frames[name], per_frame, bundle)
            ms[name].append(kept[name].ms)
    one, plain, way = WAYS
    rows = ["| in view | ms a frame | times one face |", "|---|---|---|"]
    for name, values in ms.items():
        ratio = Spread.of([a / b for a, b in zip(values, ms[one], strict=True)])
        rows.append(f"| {name} | {statistics.median(values):.2f} | {ratio.told('.2f')} |")
    late = lags(kept[way].shown, kept[plain].shown, round(LONGEST_S * fps))
    lag = f"after {statistics.mean(late):.1f} frames, {max(late)} at most" if late else "not seen"
    told = f"Same label shown: {same(kept[way].shown, kept[plain].shown):.3f}; {len(late)} changes, {lag}"
    return "\n".join(rows) + f"\n\n{told} ({fps:.3g} frames a second).\n"


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m fer_edge.benchmarks.studies.costs.several_faces", description=__doc__
    )
    parser.add_argument("clips", nargs="*", default=["demo:14"], help="videos with one face each")
    parser.add_argument("--bundle", default="default")
    parser.add_argument("--frames", type=int, default=420, help="of each, at most")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    print(report(given.clips, given.bundle, given.frames, given.rounds))


if __name__ == "__main__":
    main()
