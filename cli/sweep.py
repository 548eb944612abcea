"""`fer-edge sweep`: the published grids, resumable, and shared by several machines through one storage."""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path

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
    parser.add_argument("--backbones", default="resnet18", metavar="NAME,…", help="timm names: " + ", ".join(BACKBONES))
    parser.add_argument("--grid", type=json.loads, metavar="JSON", help="keys and values (default: the published grid)")
    parser.add_argument("--trials", type=int, metavar="N", help="runs in all and for each backbone (default: the grid)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="checkpoints, storage and summary")
    parser.add_argument("--storage", metavar="URL", help="Optuna storage (default: sqlite in --out)")
    parser.add_argument("--study", default="fer-edge", metavar="NAME")
    parser.add_argument("--init", metavar="FILE|BUNDLE|timm", help="first weights")
    parser.add_argument("--track", metavar="URI|DIR", help="record each run in MLflow")


def run(args: argparse.Namespace) -> int:
    """Run what is left of the grid, then print the two tables."""
    from ..bundle import write_text
    from ..train.sweep import SweepOptions, run_sweep

    options = options_of(SweepOptions, vars(args), backbones=tuple(args.backbones.split(",")))
    found = run_sweep(options, (lambda line: None) if args.json else partial(print, flush=True), watch)
    write_text(args.out / "summary.json", json.dumps(found, indent=1) + "\n")
    if args.json:
        print(json.dumps(found))
        return 0
    for title in ("by_backbone", "by_augmentation"):
        print(f"\n{title.replace('_', ' '):28} {'runs':>5} {'mean':>7} {'min':>7} {'max':>7}")
        for row in found[title]:
            print(f"{row['group']:28} {row['runs']:5} {row['mean']:7.4f} {row['min']:7.4f} {row['max']:7.4f}")
    return 0
