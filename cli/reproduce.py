"""`fer-edge reproduce`: the published study repeated, smaller, and a page with its figures and ours."""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path

from .output import LABEL_MAP, options_of, watch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `reproduce`."""
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="faces with a test split; without it, only the page is written anew"
    )
    parser.add_argument("--label", default="label", metavar="COLUMN", help="the manifest's column that holds the truth")
    parser.add_argument("--label-map", metavar="FILE|SET", help=LABEL_MAP)
    parser.add_argument("--out", type=Path, default=Path("reproduction"), metavar="DIR", help="runs; it goes on there")
    parser.add_argument("--docs", type=Path, metavar="DIR", help="where the page and its tables go (default: --out)")
    parser.add_argument(
        "--stages",
        metavar="NAME,…",
        help="first75,final14,seeds,folds,losses,se,cbam,transformers,variants,temporal (default: all)",
    )
    parser.add_argument("--size", type=int, default=64, metavar="PIXELS", help="(default: 64; the study: 256)")
    parser.add_argument("--epochs", type=int, default=6, metavar="N", help="at most (default: 6; the study: 30)")
    parser.add_argument("--share", type=float, default=1.0, metavar="S", help="of the training pictures (default: 1)")
    parser.add_argument(
        "--trials", type=int, default=2, metavar="N", help="runs of each grid and backbone (default: 2)"
    )
    parser.add_argument("--folds", type=int, default=5, metavar="K", help="(default: 5, as the study)")
    parser.add_argument(
        "--init", metavar="FILE|timm", help="first weights; a file: ResNet-18's (default: random; the study: timm)"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="processor threads (default: all)")


def run(args: argparse.Namespace) -> int:
    """Train what is left, write the page, print its place."""
    from ..benchmarks.studies.reproduction.options import STAGES, ReproduceOptions
    from ..benchmarks.studies.reproduction.run import reproduce

    stages = tuple(args.stages.split(",")) if args.stages else STAGES
    options = options_of(ReproduceOptions, vars(args), stages=stages, docs=args.docs or args.out)
    written = reproduce(options, (lambda line: None) if args.json else partial(print, flush=True), watch)
    print(json.dumps({"written": [str(path) for path in written]}) if args.json else f"written: {written[0]}")
    return 0
