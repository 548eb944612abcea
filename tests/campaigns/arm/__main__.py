"""The shipped graphs on ARM's kernels, emulated, beside this machine's.

    PYTHONPATH=tests python -m campaigns.arm [--bundle default …] [--target onnx] [--core cortex-a53 …] [--pictures 32]
        [--csv FILE]

qemu-user runs the guest's own Python with the wheels that a flashed card gets, and LiteRT's: what answers is the code
that a board runs. Its time says nothing. A shipped bundle is completed with its TFLite file, which is exported once.
Exit code 1 when a label differs, or a logit by more than the limit of its graph.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from fer_edge.bundle import open_bundle, shipped_bundles
from fer_edge.files import writing

from .boards import CORES
from .comparison import BACKENDS, Compared, compare, with_tflite
from .guest import guest, lacking

CACHE = Path(__file__).resolve().parents[3] / "build" / "boot"


def main() -> int:
    """Compare, and print a row a graph and core."""
    parser = argparse.ArgumentParser(prog="arm", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bundle", action="append", help="a name or a folder; default: those that ship")
    parser.add_argument("--target", action="append", choices=[*BACKENDS], help="of graphs; default: all")
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
        targets = args.target or [*BACKENDS]
        for name in args.bundle or shipped_bundles():
            bundle = open_bundle(with_tflite(name) if "edgetpu" in targets else name)
            for row in compare(bundle, targets, guest(CACHE), cores, args.pictures, Path(folder)):
                rows.append(row)
                told = f"{row.apart:9.2e} of {row.limit:.2g} {row.equal:.0%}"
                print(f"{row.bundle:10} {row.graph:32} {row.core:11} {told}", flush=True)
    if args.csv:
        _write(args.csv, rows)
    return int(any(row.equal < 1 or row.apart > row.limit for row in rows))


def _write(path: Path, rows: list[Compared]) -> None:
    with writing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(asdict(rows[0])))
        table.writeheader()
        table.writerows(asdict(row) for row in rows)


if __name__ == "__main__":
    sys.exit(main())
