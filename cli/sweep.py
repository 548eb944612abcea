"""`fer-edge sweep`: the published grids, resumable, and shared by several machines through one storage."""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path

from ..errors import UsageError
from .output import LABEL_MAP, options_of, watch

BACKBONES = (
    *("resnet18", "efficientnet_b0", "mobilenetv3_rw", "mobilenetv3_large_100", "mobilenetv3_small_100"),
    *("mobilenetv2_100", "tf_efficientnetv2_b0", "resnet50"),
)
"""The study's and the device table's."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `sweep`."""
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="class folders, or a CSV manifest")
    parser.add_argument("--label-map", metavar="FILE|SET", help=LABEL_MAP)
    parser.add_argument("--recipe", default="published", metavar="NAME", help="what the grid changes")
    parser.add_argument(
        "--backbones",
        metavar="NAME,…",
        help=f"timm names: {', '.join(BACKBONES)} (default: those of the grid, or resnet18)",
    )
    parser.add_argument(
        "--grid",
        metavar="first75|final14|JSON",
        help="the study's two sweeps, or keys and values (default: all values of the study)",
    )
    parser.add_argument("--trials", type=int, metavar="N", help="runs in all of each grid and backbone (default: all)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="runs, storage, tables and plots")
    parser.add_argument("--storage", metavar="URL", help="Optuna storage (default: sqlite in --out)")
    parser.add_argument("--study", default="fer-edge", metavar="NAME")
    parser.add_argument("--init", metavar="FILE|BUNDLE|timm", help="first weights")
    parser.add_argument("--track", metavar="URI|DIR", help="record each run in MLflow")


def run(args: argparse.Namespace) -> int:
    """Run what is left of the grid, then print the two tables."""
    from ..train.sweep.run import SweepOptions, run_sweep
    from ..train.sweep.tables import text

    if args.trials is not None and args.trials < 1:
        raise UsageError(f"--trials is at least 1, not {args.trials}", hint="the same command with --trials 4")
    backbones = tuple(args.backbones.split(",")) if args.backbones else None
    options = options_of(SweepOptions, vars(args), backbones=backbones, grid=_grid(args.grid))
    found = run_sweep(options, (lambda line: None) if args.json else partial(print, flush=True), watch)
    if args.json:
        print(json.dumps(found))
        return 0
    for title in ("by_backbone", "by_augmentation"):
        print(f"\n{text(title.replace('_', ' '), found[title])}")
    print(f"written: {args.out}")
    return 0


def _grid(text: str | None) -> object:
    """What --grid says: a preset's name, or JSON."""
    if text is None or text.replace("-", "_").isidentifier():
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise UsageError(
            f"--grid {text} is not JSON: {error}",
            hint="the same command with --grid '{\"dropout\": [0, 0.2]}', or --grid final14",
        ) from None
