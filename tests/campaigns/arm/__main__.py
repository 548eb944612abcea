"""The shipped graphs on ARM's kernels, emulated, beside this machine's.

    PYTHONPATH=tests python -m campaigns.arm [--bundle default …] [--core cortex-a53 …] [--pictures 32] [--csv FILE]

qemu-user runs the guest's own Python with the wheels that a flashed card gets: what answers is the code that a board
runs. Its time says nothing. Exit code 1 when a label differs.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from fer_edge.files import writing

from .boards import CORES
from .comparison import Compared, compare
from .guest import guest, lacking

CACHE = Path(__file__).resolve().parents[3] / "build" / "boot"


def main() -> int:
    """Compare, and print a row a graph and core."""
    parser = argparse.ArgumentParser(prog="arm", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bundle", action="append", help="default: those that ship")
    parser.add_argument("--core", action="append", choices=[core.name for core in CORES])
    parser.add_argument("--pictures", type=int, default=32, help="of the portraits")
    parser.add_argument("--csv", type=Path)
    args = parser.parse_args()
    if reason := lacking():
        print(reason, file=sys.stderr)
        return 2
    cores = [core for core in CORES if not args.core or core.name in args.core]
    rows: list[Compared] = []
    with tempfile.TemporaryDirectory(prefix="arm-") as folder:
        for name in args.bundle or ("default", "edgetpu"):
            for row in compare(name, guest(CACHE), cores, args.pictures, Path(folder)):
                rows.append(row)
                print(f"{row.bundle:10} {row.graph:32} {row.core:11} {row.apart:9.2e} {row.equal:.0%}", flush=True)
    if args.csv:
        _write(args.csv, rows)
    return int(any(row.equal < 1 for row in rows))


def _write(path: Path, rows: list[Compared]) -> None:
    with writing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(asdict(rows[0])))
        table.writeheader()
        table.writerows(asdict(row) for row in rows)


if __name__ == "__main__":
    sys.exit(main())
