"""`python -m fer_edge.benchmarks.studies.peers --faces FOLDER`: the comparison, as a table."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ....bundle import write_text
from ....bundle.dataset import SPLITS, Sample, read_dataset
from ....devices.cpu import model_name
from ....errors import FerEdgeError
from .compare import PICTURES, ROUNDS, measure
from .known import PEERS
from .table import markdown


def main(argv: Sequence[str] | None = None) -> int:
    """Compare and print; returns the exit code of errors.py."""
    parser = argparse.ArgumentParser(prog="python -m fer_edge.benchmarks.studies.peers", description=__doc__)
    parser.add_argument("--faces", type=Path, required=True, metavar="FOLDER", help="labelled faces, as training reads")
    parser.add_argument("--split", choices=SPLITS, default="test")
    parser.add_argument("--limit", type=int, default=0, metavar="N", help="at most so many pictures, spread; 0 for all")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of latency")
    parser.add_argument("--pictures", type=int, default=PICTURES, help="of a round")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there, too")
    args = parser.parse_args(argv)
    try:
        samples = spread([s for s in read_dataset(args.faces).split(args.split) if s.label is not None], args.limit)
        rows = measure(PEERS, samples, args.rounds, args.pictures, say=_say)
        if args.json:
            result = {"machine": model_name(), "split": args.split, "rows": [asdict(row) for row in rows]}
            write_text(args.json, json.dumps(result, indent=1) + "\n")
    except FerEdgeError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(markdown(rows), end="")
    return 0


def spread(samples: Sequence[Sample], limit: int) -> list[Sample]:
    """At most `limit` of the samples, evenly spread; all of them when it is 0."""
    if not 0 < limit < len(samples):
        return list(samples)
    return [samples[i * len(samples) // limit] for i in range(limit)]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
