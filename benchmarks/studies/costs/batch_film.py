"""What a batch costs a film beside its session: in the worker, and in the first process once it is finished.

`python -m fer_edge.benchmarks.studies.costs.batch_film CLIP`. Processor time alone is counted, in one process and in
turn, so that a busy machine does; starting workers is not in it (see batch_scaling).
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from time import process_time

from ....runtime.batch.files import plan
from ....runtime.batch.folder import left
from ....runtime.batch.record import RECORD, record_of, session_folder, write_record
from ....runtime.batch.settings import hold, settings_of
from ....runtime.batch.summary import summarise
from ....runtime.batch.worker import FileWorker, Job
from ....runtime.build import KeptModels, PipelineOptions
from ....runtime.run import RunOptions, run_session
from ..spread import Spread
from .batch_scaling import archive


def worker(clip: Path, rounds: int) -> str:
    """Markdown: a film's session alone, and all that a worker does about the film, in turn."""
    options = PipelineOptions(threads=1)
    models = KeptModels(options)
    settings = settings_of(models.first, options)
    with tempfile.TemporaryDirectory(dir=clip.parent) as scratch:
        out = Path(scratch, "out")
        hold(out, settings)
        one = FileWorker(Job(out, options, settings))
        one.ready()
        (file,) = plan([str(clip)], out).files

        def session(number: int) -> None:
            run_session(RunOptions(str(clip), Path(scratch, str(number)), pipeline=options), build=models.built)

        taken = in_turn({"its session": session, "all that a worker does": lambda number: one.analyse(file)}, rounds)
    more = Spread.of([b / a - 1 for a, b in zip(*taken.values(), strict=True)])
    rows = ["| one film | ms of processor time, median (range) |", "|---|---|"]
    rows += [f"| {name} | {Spread.of(times).told('.0f')} |" for name, times in taken.items()]
    return "\n".join(rows) + f"\n\nMore by {more.told('.1%')}.\n"


def in_turn(ways: Mapping[str, Callable[[int], object]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of processor time of each way, round by round; a first round is left out."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name in list(ways)[:: 1 if number % 2 else -1]:
            began = process_time()
            ways[name](number)
            if number:
                taken[name].append((process_time() - began) * 1000)
    return taken


def first_process(clip: Path, films: int) -> str:
    """Markdown: what the first process has to do about each film that is finished, in processor time."""
    with tempfile.TemporaryDirectory(dir=clip.parent) as scratch:
        folder, out = archive(Path(scratch, "films"), clip, films), Path(scratch, "out")
        chosen = plan([str(folder)], out)
        for file in chosen.files:
            write_record(
                session_folder(out, file.key) / RECORD,
                record_of(file, face_seconds=7.0, expressions=dict.fromkeys("abcdefg", 1.0)),
            )
        steps: dict[str, Callable[[], object]] = {
            "find the films": lambda: plan([str(folder)], out),
            "see which are left": lambda: left(chosen, out, False),
            "sum up": lambda: summarise(out),
        }
        rows = [f"| {films:,} finished films | ms of processor time a film |", "|---|---|"]
        for name, step in steps.items():
            began = process_time()
            step()
            rows.append(f"| {name} | {(process_time() - began) / films * 1000:.2f} |")
    return "\n".join(rows) + "\n"


def main() -> None:
    """Measure and print both tables."""
    parser = argparse.ArgumentParser(prog="python -m fer_edge.benchmarks.studies.costs.batch_film", description=__doc__)
    parser.add_argument("clip", type=Path, help="a video with a face, on a disk that can be written")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--films", type=int, default=1000, help="finished ones")
    given = parser.parse_args()
    print(worker(given.clip, given.rounds), flush=True)
    print(first_process(given.clip, given.films))


if __name__ == "__main__":
    main()
