"""What `fer-edge batch` gains by workers and costs beside a plain loop, and whether its memory grows with the archive.

`python -m fer_edge.benchmarks.studies.costs.batch_scaling CLIP`, on an idle machine; the archive is the clip, often.
Every run is a process of its own and is timed whole, from its start to its end; every model runs on one thread.
Processor time is counted beside it, of all its processes together, which other work on the machine changes less; what a
Ray cluster's workers take is not in it.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from ....errors import DeviceFailed
from ..spread import Spread

LOOP = """
import sys
from pathlib import Path
from fer_edge.runtime.build import KeptModels, PipelineOptions
from fer_edge.runtime.run import RunOptions, run_session
folder, out = map(Path, sys.argv[1:3])
options = PipelineOptions(threads=1)
models = KeptModels(options)
for path in sorted(folder.iterdir()):
    run_session(RunOptions(str(path), out / path.stem, pipeline=options), build=models.built)
"""
"""What somebody would write who knows this library: models opened once, a session a film."""
BATCH = """
import sys
from pathlib import Path
from fer_edge.runtime.batch.run import BatchOptions, run_batch
if __name__ == "__main__":
    folder, out, workers, engine = sys.argv[1:5]
    run_batch(BatchOptions((folder,), Path(out), engine=engine, workers=int(workers)))
"""
PEAK = 'print("".join(line for line in open("/proc/self/status") if line.startswith("VmHWM")))\n'
CURVE = (1, 10, 100, 1000)
"""Films, for what one more costs."""


@dataclass(frozen=True)
class Taken:
    """One run: its seconds, those of processors, and the highest resident memory of its first process, in MiB."""

    seconds: float
    cpu_s: float
    peak_mib: float


def taken(script: str, folder: Path, *words: object) -> Taken:
    """Run a script over a folder, into a new place; raises DeviceFailed when it fails."""
    ending = PEAK if script == LOOP else "    " + PEAK
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "script.py")  # workers load it again
        file.write_text(script + ending)
        command = [sys.executable, str(file), str(folder), str(Path(scratch, "out")), *map(str, words)]
        began, spent = perf_counter(), _spent()
        done = subprocess.run(command, capture_output=True, text=True)
        seconds, cpu_s = perf_counter() - began, _spent() - spent
    peaks = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("VmHWM")]
    if done.returncode or not peaks:
        raise DeviceFailed(f"the run of {folder} failed: {done.stderr.strip()}")
    return Taken(seconds, cpu_s, int(peaks[0]) / 1024)


def _spent() -> float:
    """Seconds of processors that the runs so far have taken."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def archive(folder: Path, clip: Path, films: int) -> Path:
    """A folder with so many names of one clip."""
    folder.mkdir()
    for number in range(films):
        os.link(clip, folder / f"film-{number:04}{clip.suffix}")
    return folder


def scaling(folder: Path, workers: int, engine: str, rounds: int) -> dict[str, list[Taken]]:
    """The loop, a batch by one worker and one by several, in turn; a first round fills caches and is left out."""
    ways = {"plain loop": (LOOP,), "1 worker": (BATCH, 1, engine), f"{workers} workers": (BATCH, workers, engine)}
    found: dict[str, list[Taken]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, (script, *words) in list(ways.items())[:: 1 if number % 2 else -1]:
            once = taken(str(script), folder, *words)
            if number:
                found[name].append(once)
    return found


def report(measured: Mapping[str, Sequence[Taken]], films: int, workers: int) -> str:
    """Markdown: seconds of each way, and what they say, round by round."""
    loop, one, many = measured.values()
    overhead = Spread.of([b.seconds / a.seconds - 1 for a, b in zip(loop, one, strict=True)])
    cpu = Spread.of([b.cpu_s / a.cpu_s - 1 for a, b in zip(loop, one, strict=True)])
    efficiency = Spread.of([a.seconds / b.seconds / workers for a, b in zip(one, many, strict=True)])
    more = Spread.of([b.cpu_s / a.cpu_s - 1 for a, b in zip(one, many, strict=True)])
    head = "seconds, median (range) | processor seconds | peak MiB of the first process"
    rows = [f"| {films} films | {head} |", "|---|---|---|---|"]
    for name, runs in measured.items():
        columns = ([r.seconds for r in runs], [r.cpu_s for r in runs], [r.peak_mib for r in runs])
        told = (Spread.of(c).told(f) for c, f in zip(columns, (".1f", ".1f", ".0f"), strict=True))
        rows.append(f"| {name} | {' | '.join(told)} |")
    first = f"Overhead of one worker over the loop: {overhead.told('.1%')}, in processor time {cpu.told('.1%')}; "
    then = (
        f"efficiency of {workers} workers: {efficiency.told('.2f')}, processor time over that of one {more.told('.1%')}"
    )
    return "\n".join(rows) + f"\n\n{first}{then}.\n"


def curve(clip: Path, counts: Sequence[int], workers: int, engine: str) -> str:
    """Markdown: what archives of these sizes take, once each."""
    head = "films | seconds | processor seconds | processor seconds a film | peak MiB of the first process"
    rows = [f"| {head} |", "|---|---|---|---|---|"]
    for films in counts:
        with tempfile.TemporaryDirectory(dir=clip.parent) as scratch:
            once = taken(BATCH, archive(Path(scratch, "films"), clip, films), workers, engine)
        each = f"{once.seconds:.1f} | {once.cpu_s:.1f} | {once.cpu_s / films:.2f}"
        rows.append(f"| {films:,} | {each} | {once.peak_mib:.0f} |")
    return "\n".join(rows) + "\n"


def main() -> None:
    """Measure and print both tables."""
    parser = argparse.ArgumentParser(
        prog="python -m fer_edge.benchmarks.studies.costs.batch_scaling", description=__doc__
    )
    parser.add_argument("clip", type=Path, help="a short video with a face, on a disk that can be written")
    parser.add_argument("--films", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--engine", default="local")
    parser.add_argument("--curve", type=int, nargs="*", default=CURVE, help="films, for what one more costs")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.clip.parent) as scratch:
        folder = archive(Path(scratch, "films"), given.clip, given.films)
        measured = scaling(folder, given.workers, given.engine, given.rounds)
    print(report(measured, given.films, given.workers))
    print(curve(given.clip, given.curve, given.workers, given.engine))


if __name__ == "__main__":
    main()
