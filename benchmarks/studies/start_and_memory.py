"""What `fer-edge run` needs to begin, and of memory: from the command to its first result, and its highest peak.

`python -m fer_edge.benchmarks.studies.start_and_memory CLIP`. Each round starts the command anew, with one thread.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

from ...errors import DeviceFailed
from .spread import Spread

COMMAND = """
import sys
from fer_edge.cli.main import main
code = main(["run", *sys.argv[1:]])
print("".join(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
sys.exit(code)
"""
"""The kernel's figure for the process itself: what `wait4` tells of a child counts its parent's memory, too."""


@dataclass(frozen=True)
class Start:
    """One run: milliseconds until its first line about a frame, and its highest resident memory in MiB."""

    first_ms: float
    peak_mib: float


def start(*words: str) -> Start:
    """Run the command with these arguments to its end; raises DeviceFailed when it fails or tells no memory."""
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, *words, "--threads", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as child:
        assert child.stderr is not None
        first = child.stderr.readline()
        first_ms = (perf_counter() - began) * 1000
        said, failed = child.communicate()
    peaks = [line.split()[1] for line in said.splitlines() if line.startswith("VmHWM")]
    if child.returncode or not peaks:
        raise DeviceFailed(
            f"fer-edge run {' '.join(words)} did not run: {(first + failed).strip() or 'no peak is told'}"
        )
    return Start(first_ms, int(peaks[0]) / 1024)


def table(measured: Mapping[str, Sequence[Start]]) -> str:
    """Markdown: a row a source, median and range over the rounds."""
    rows = ["| source | ms to the first result | peak MiB |", "|---|---|---|"]
    for source, starts in measured.items():
        first, peak = (Spread.of(values) for values in zip(*((s.first_ms, s.peak_mib) for s in starts), strict=True))
        rows.append(f"| {source} | {first.told('.0f')} | {peak.told('.1f')} |")
    return "\n".join(rows)


def report(clip: str, rounds: int = 7) -> str:
    """The section of the machine's page, the sources taking turns; a first round, which fills caches, is left out."""
    sources: dict[str, tuple[str, ...]] = {
        "the demo's wall of pictures": ("demo:2",),
        "a video, read by PyAV where it is there": (clip,),
    }
    sources |= {f"{name}; pico": (*words, "--bundle", "pico") for name, words in sources.items()}
    measured: dict[str, list[Start]] = {name: [] for name in sources}
    for number in range(rounds + 1):
        for name, words in sources.items():
            once = start(*words)
            if number:
                measured[name].append(once)
    return f"""From the command to its first line about a frame, and the highest resident memory of the whole run,
pages of shared libraries among it: median (range over {rounds} rounds), one thread, the default bundle and pico.

{table(measured)}"""


def main() -> None:
    """Measure and print the section."""
    parser = argparse.ArgumentParser(prog="python -m fer_edge.benchmarks.studies.start_and_memory", description=__doc__)
    parser.add_argument("clip", help="a video with a face")
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    print(report(given.clip, given.rounds))


if __name__ == "__main__":
    main()
