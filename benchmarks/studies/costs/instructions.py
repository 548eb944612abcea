"""What a pass of each stage costs in instructions, which no other work on the machine changes, beside milliseconds.

`python -m fer_edge.benchmarks.studies.costs.instructions CLIP [--bundle NAME ...] [--csv FILE]`.

Valgrind's callgrind counts what a process executes, from when the stage is prepared. One process does it FEW times,
another MORE times; the difference is the passes alone. It needs ten seconds for each on an idle machine.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time

from ....bundle import shipped_bundles, write_text
from ....errors import DeviceFailed, DeviceNotFound
from .stages import HEIGHT, OF_THE_BUNDLE, STAGES, WIDTH, prepare

FEW, MORE = 3, 9
TIMED, ROUNDS = 10, 7
"""Passes of a round, and rounds: milliseconds are the least of the rounds' means, which other work disturbs least."""
WHOLE_EVERY = 4
"""Of so many frames one is searched whole, by the clock of a camera of 12 frames a second."""
COLLECTED = re.compile(r"Collected : (\d+)")


@dataclass(frozen=True)
class Cost:
    """A pass of a stage: instructions as valgrind counted them, and milliseconds of the processor without it.

    Attributes:
        bundle: empty for a stage that is the same for all.
    """

    bundle: str
    stage: str
    instructions: int
    ms: float


def count(stage: str, clip: Path, bundle: str) -> int:
    """Instructions of one pass. Raises DeviceNotFound: no valgrind; DeviceFailed: the stage did not run below it."""
    few, more = (_collected(stage, clip, bundle, passes) for passes in (FEW, MORE))
    return round((more - few) / (MORE - FEW))


def _collected(stage: str, clip: Path, bundle: str, passes: int) -> int:
    program = shutil.which("valgrind")
    if not program:
        raise DeviceNotFound("valgrind is not installed", hint="sudo apt install valgrind")
    words = [program, "--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=/dev/null", sys.executable, "-m"]
    words += [__spec__.name, str(clip), "--bundle", bundle, "--pass", stage, str(passes)]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": "0"})
    told = COLLECTED.search(done.stderr)
    if done.returncode or told is None:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise DeviceFailed(f"the stage {stage} did not run below valgrind: {last}")
    return int(told.group(1))


def counted(stage: str, clip: Path, bundle: str, passes: int) -> None:
    """Below valgrind: prepare and warm up, have the counting begin, and do the passes."""
    once = prepare(stage, clip, bundle)
    once()
    subprocess.run(["vgdb", f"--pid={os.getpid()}", "instrumentation", "on"], check=True, capture_output=True)
    for _ in range(passes):
        once()


def milliseconds(stage: str, clip: Path, bundle: str) -> float:
    """Processor time of one pass."""
    once, means = prepare(stage, clip, bundle), []
    for _ in range(ROUNDS + 1):
        began = process_time()
        for _ in range(TIMED):
            once()
        means.append(1000 * (process_time() - began) / TIMED)
    return min(means[1:])


def costs(clip: Path, bundles: Sequence[str], say: Callable[[str], None] = lambda line: None) -> Iterator[Cost]:
    """The stages that are the same for all bundles, then each bundle's own; errors as `prepare` and `count`."""
    for stage in STAGES:
        for bundle in bundles if stage in OF_THE_BUNDLE else bundles[:1]:
            ms, instructions = milliseconds(stage, clip, bundle), count(stage, clip, bundle)
            cost = Cost(bundle if stage in OF_THE_BUNDLE else "", stage, instructions, ms)
            say(f"{cost.bundle:8} {stage:8} {instructions / 1e6:8.2f} million {ms:7.3f} ms")
            yield cost


def table(measured: Sequence[Cost]) -> str:
    """Markdown: a row a stage and bundle, then what a frame with one face takes with each bundle."""
    rows = ["| stage | bundle | million instructions | ms |", "|---|---|---|---|"]
    rows += [f"| {c.stage} | {c.bundle} | {c.instructions / 1e6:.2f} | {c.ms:.2f} |" for c in measured]
    for bundle in dict.fromkeys(c.bundle for c in measured if c.bundle):
        instructions, ms = _frame([c for c in measured if c.bundle in ("", bundle)])
        rows.append(f"| **a frame with one face** | {bundle} | {instructions / 1e6:.2f} | {ms:.2f} |")
    return "\n".join(rows)


def _frame(stages: Sequence[Cost]) -> tuple[float, float]:
    share = {"detect": 1 / WHOLE_EVERY, "near": 1 - 1 / WHOLE_EVERY}
    parts = [(share.get(c.stage, 1.0), c) for c in stages]
    return sum(s * c.instructions for s, c in parts), sum(s * c.ms for s, c in parts)


def report(clip: Path, bundles: Sequence[str] = ()) -> str:
    """The section of the machine's page; errors as `costs`."""
    return about(list(costs(clip, bundles or shipped_bundles())))


def about(measured: Sequence[Cost]) -> str:
    """The section, of what was measured."""
    return f"""What a pass executes, counted by valgrind's callgrind ({MORE} passes less {FEW}, over {MORE - FEW}):
frames of {WIDTH} x {HEIGHT}, one face, one thread. Other work does not change it, and it is no time: an instruction
may multiply one number or thirty-two. Valgrind knows AVX2 and not AVX-512, so the graphs were counted with other
kernels than those that the milliseconds were taken with. These are processor time, the least mean of {ROUNDS} rounds
of {TIMED} passes. `detect` searches the whole picture, `near` the place of a known face. In a frame of the last rows
one of {WHOLE_EVERY} pictures is searched whole, as for a camera of 12 frames a second.

{table(measured)}"""


def save(path: Path, measured: Sequence[Cost]) -> None:
    """A CSV file, a row a stage and bundle."""
    rows = [f"{c.bundle},{c.stage},{c.instructions},{c.ms:.4f}" for c in measured]
    write_text(path, "\n".join(["bundle,stage,instructions,ms", *rows]) + "\n")


def main() -> None:
    """Measure and print the section."""
    parser = argparse.ArgumentParser(prog=f"python -m {__spec__.name}", description=__doc__)
    parser.add_argument("clip", type=Path, help="a video that begins with a face")
    parser.add_argument("--bundle", action="append", help="a name or a folder; default: all that ship")
    parser.add_argument("--csv", type=Path, metavar="FILE")
    parser.add_argument("--pass", nargs=2, dest="passes", metavar=("STAGE", "N"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    bundles = args.bundle or shipped_bundles()
    if args.passes:
        counted(args.passes[0], args.clip, bundles[0], int(args.passes[1]))
        return
    measured = list(costs(args.clip, bundles, lambda line: print(line, file=sys.stderr, flush=True)))
    print(about(measured))
    if args.csv:
        save(args.csv, measured)


if __name__ == "__main__":
    main()
