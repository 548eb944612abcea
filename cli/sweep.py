"""`fer-edge sweep`: the published grids, resumable, and shared by several machines through one storage."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .output import watch

if TYPE_CHECKING:
    from ..train.recipe import Recipe

BACKBONES = (
    "resnet18",
    "efficientnet_b0",
    "mobilenetv3_rw",
    "mobilenetv3_large_100",
    "mobilenetv3_small_100",
    "mobilenetv2_100",
    "tf_efficientnetv2_b0",
    "resnet50",
)
"""The study's and the device table's."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `sweep`."""
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="class folders, or a CSV manifest")
    parser.add_argument("--recipe", default="published", metavar="NAME", help="what the grid changes")
    parser.add_argument("--backbones", default="resnet18", metavar="NAME,…", help="timm names: " + ", ".join(BACKBONES))
    parser.add_argument("--grid", type=json.loads, metavar="JSON", help="keys and values (default: the published grid)")
    parser.add_argument("--trials", type=int, metavar="N", help="runs in all and for each backbone (default: the grid)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="checkpoints, storage and summary")
    parser.add_argument("--storage", metavar="URL", help="Optuna storage (default: sqlite in --out)")
    parser.add_argument("--study", default="fer-edge", metavar="NAME")
    parser.add_argument("--init", metavar="FILE|timm", help="first weights")
    parser.add_argument("--track", metavar="URI|DIR", help="record each run in MLflow")


def run(args: argparse.Namespace) -> int:
    """Run what is left of the grid, then print the two tables."""
    from dataclasses import replace

    from ..bundle import write_text
    from ..bundle.dataset import read_dataset
    from ..train import sweep
    from ..train.recipe import load_recipe

    base = load_recipe(args.recipe)
    grid = args.grid or sweep.PUBLISHED_GRID
    if not isinstance(grid, dict) or not all(isinstance(v, (list, tuple)) and v for v in grid.values()):
        raise UsageError("--grid must be an object of lists", hint="--grid '{\"dropout\": [0, 0.2]}'")
    dataset = read_dataset(args.data, base.second_label, base.seed, watch)
    args.out.mkdir(parents=True, exist_ok=True)
    storage = args.storage or f"sqlite:///{args.out.resolve() / 'sweep.db'}"
    say = (lambda line: None) if args.json else (lambda line: print(line, flush=True))

    def train(recipe: Recipe, name: str) -> float:
        return _train(args, recipe, dataset, args.out / name, name, say)

    rows: list[dict[str, Any]] = []
    for backbone in args.backbones.split(","):
        changed = replace(base, backbone=backbone)
        study = f"{args.study}-{backbone}"
        rows += sweep.sweep(changed, grid, train, study=study, storage=storage, trials=args.trials, say=say)
    tables = {
        "by_backbone": sweep.summarise(rows, lambda row: str(row["backbone"])),
        "by_augmentation": sweep.summarise(rows, sweep.by_augmentation),
    }
    write_text(args.out / "summary.json", json.dumps({"runs": rows, **tables}, indent=1) + "\n")
    if args.json:
        print(json.dumps({"runs": rows, **tables}))
        return 0
    for title, table in tables.items():
        print(f"\n{title.replace('_', ' '):28} {'runs':>5} {'mean':>7} {'min':>7} {'max':>7}")
        for row in table:
            print(f"{row['group']:28} {row['runs']:5} {row['mean']:7.4f} {row['min']:7.4f} {row['max']:7.4f}")
    return 0


def _train(args: argparse.Namespace, recipe: Recipe, dataset: Any, place: Path, name: str, say: Any) -> float:
    """One trial: goes on from its checkpoint if it was cut off; returns the best validation accuracy."""
    from ..train.fit import fit
    from ..train.tracking import MlflowTracker, NoTracker, Tracker

    tracker: Tracker = MlflowTracker(args.track, name, recipe) if args.track else NoTracker()
    try:
        fitted = fit(
            recipe,
            dataset,
            place,
            init=args.init,
            resume=(place / "last.pt").exists(),
            watch=watch,
            say=lambda line: say(f"  {line}"),
            on_epoch=tracker.epoch,
        )
    except BaseException:
        tracker.fail()
        raise
    best = max(row["accuracy"] for row in fitted.history)
    tracker.finish({"accuracy": best}, [])
    return best
