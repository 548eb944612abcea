"""Sweeps: the published grids, run by Optuna so that several machines can share one."""

from __future__ import annotations

import random
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from ..bundle.dataset import Dataset, Watch, read_dataset, unwatched
from ..bundle.extras import load
from ..errors import UsageError
from .fit import fit
from .recipe import Recipe, load_recipe
from .tracking import MlflowTracker, Tracker

PUBLISHED_GRID: dict[str, tuple[Any, ...]] = {
    "learning_rate": (1e-3, 5e-4, 1e-4, 5e-5),
    "weight_decay": (0.0, 4e-4, 5e-5, 5e-4, 6e-4),
    "dropout": (0.0, 0.1, 0.2, 0.28, 0.3, 0.4, 0.5),
    "augment": ("none", "v1"),
}
"""The thesis's ranges. It tried parts of their product; `trials` says how many of a shuffled grid to run."""

HEARTBEAT_S = 20
"""A trial whose machine has been silent for three of these is given to another."""

Run = Callable[[Recipe, str], float]
"""Trains a recipe under a run name and returns its validation accuracy, 0..1."""


@dataclass(frozen=True)
class SweepOptions:
    """What to sweep over.

    Attributes:
        data: class folders, or a CSV manifest.
        out: where checkpoints go, and the storage without a `storage`.
        recipe: whose keys the grid changes.
        backbones: timm names, each with the whole grid.
        grid: recipe key -> values.
        trials: how many runs in all and for each backbone, None for the whole grid.
        storage: an Optuna storage URL.
        study: a name in it.
        init: first weights.
        track: an MLflow server or folder to record each run in.
        label_map: what folders that are no usual label mean; see `read_label_map`.
    """

    data: Path
    out: Path
    recipe: str = "published"
    backbones: tuple[str, ...] = ("resnet18",)
    grid: Mapping[str, Sequence[Any]] | None = None
    trials: int | None = None
    storage: str | None = None
    study: str = "fer-edge"
    init: str | None = None
    track: str | None = None
    label_map: str | None = None


def run_sweep(
    options: SweepOptions, on_notice: Callable[[str], None] = lambda line: None, watch: Watch = unwatched
) -> dict[str, list[dict[str, Any]]]:
    """Run what is left of the grid; returns `runs` and the two tables, `by_backbone` and `by_augmentation`.

    Raises UsageError, DatasetError: grid, recipe or data cannot be used; and as `sweep` and `fit` do.
    """
    base = load_recipe(options.recipe)
    grid = options.grid or PUBLISHED_GRID
    if not isinstance(grid, Mapping) or not all(isinstance(v, (list, tuple)) and v for v in grid.values()):
        raise UsageError(
            "--grid must be an object of lists", hint="the same command with --grid '{\"dropout\": [0, 0.2]}'"
        )
    dataset = read_dataset(options.data, base.second_label, base.seed, watch, label_map=options.label_map)
    for line in dataset.notes():
        on_notice(line)
    options.out.mkdir(parents=True, exist_ok=True)
    storage = options.storage or f"sqlite:///{options.out.resolve() / 'sweep.db'}"
    rows: list[dict[str, Any]] = []
    for backbone in options.backbones:
        rows += sweep(
            replace(base, backbone=backbone),
            grid,
            lambda recipe, name: _trial(options, recipe, dataset, name, on_notice, watch),
            study=f"{options.study}-{backbone}",
            storage=storage,
            trials=options.trials,
            say=on_notice,
        )
    by_backbone = summarise(rows, lambda row: str(row["backbone"]))
    return {"runs": rows, "by_backbone": by_backbone, "by_augmentation": summarise(rows, by_augmentation)}


def _trial(
    options: SweepOptions, recipe: Recipe, dataset: Dataset, name: str, say: Callable[[str], None], watch: Watch
) -> float:
    """One trial: goes on from its checkpoint if it was cut off; returns the best validation accuracy."""
    place = options.out / name
    resume = (place / "last.pt").exists()

    def tell(line: str) -> None:
        say(f"  {line}")

    tracker = MlflowTracker(options.track, name, recipe) if options.track else Tracker()
    try:
        fitted = fit(
            recipe, dataset, place, init=options.init, resume=resume, watch=watch, say=tell, on_epoch=tracker.epoch
        )
    except BaseException:
        tracker.fail()
        raise
    best = max(row["accuracy"] for row in fitted.history)
    tracker.finish({"accuracy": best}, [])
    return best


def run_name(recipe: Recipe) -> str:
    """As published: `<backbone>_bs<batch>lr<lr><aug|noaug>`."""
    aug = "noaug" if recipe.augment == "none" else "aug"
    return f"{recipe.backbone}_bs{recipe.batch}lr{recipe.learning_rate:g}{aug}"


def sweep(
    base: Recipe,
    grid: Mapping[str, Sequence[Any]],
    run: Run,
    *,
    study: str,
    storage: str,
    trials: int | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> list[dict[str, Any]]:
    """Run a grid, each point once, and return every finished trial with its accuracy.

    What is in the storage already is not run again; a trial that was cut off is. Several machines given the same
    storage and study share the grid.

    Args:
        base: the recipe whose keys the grid changes.
        grid: recipe key -> values.
        run: trains one recipe.
        storage: an Optuna storage URL, such as sqlite:///sweep.db.
        trials: how many to have in all, None for the whole grid.

    Raises:
        MissingExtra: Optuna is absent; UsageError: a key the recipe does not have, or a storage of another grid.
    """
    optuna = load("optuna", "train")
    unknown = [k for k in grid if not hasattr(base, k)]
    if unknown:
        raise UsageError(f"a recipe has no key {', '.join(unknown)} to sweep over")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    kept = optuna.storages.RDBStorage(storage, heartbeat_interval=HEARTBEAT_S, grace_period=3 * HEARTBEAT_S)
    sampler = optuna.samplers.RandomSampler(seed=base.seed)  # never asked: every point is enqueued
    shared = optuna.create_study(
        study_name=study, storage=kept, sampler=sampler, direction="maximize", load_if_exists=True
    )
    if shared.user_attrs.get("grid", _text(grid)) != _text(grid):
        raise UsageError(f"the study {study!r} in {storage} has another grid", hint="choose another --study")
    shared.set_user_attr("grid", _text(grid))
    optuna.storages.fail_stale_trials(shared)
    _enqueue_missing(shared, points(grid, base.seed)[:trials])

    def objective(trial: Any) -> float:
        if "point" not in trial.user_attrs:  # another machine took the last point in the meantime
            raise optuna.TrialPruned
        recipe = replace(base, **{k: trial.suggest_categorical(k, list(v)) for k, v in grid.items()})
        # The published name leaves most keys out; the rest keeps the runs' folders apart.
        name = run_name(recipe) + "".join(f"_{k}={getattr(recipe, k)}" for k in grid if k != "learning_rate")
        say(f"trial {trial.number}: {name}")
        return run(recipe, name)

    while any(t.state.name == "WAITING" for t in shared.get_trials(deepcopy=False)):
        shared.optimize(objective, n_trials=1)
    return finished(shared, base)


def points(grid: Mapping[str, Sequence[Any]], seed: int) -> list[dict[str, Any]]:
    """Every point of a grid, in an order that depends on the seed alone."""
    found = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    random.Random(seed).shuffle(found)
    return found


def finished(study: Any, base: Recipe) -> list[dict[str, Any]]:
    """Every completed trial: its parameters, backbone and accuracy."""
    return [
        {"backbone": base.backbone, **t.params, "accuracy": t.value}
        for t in study.get_trials(deepcopy=False)
        if t.state.name == "COMPLETE"
    ]


def summarise(rows: Sequence[Mapping[str, Any]], key: Callable[[Mapping[str, Any]], str]) -> list[dict[str, Any]]:
    """Mean, least and greatest accuracy and number of runs by a key, best mean first (the thesis's Tables 5 and 6)."""
    groups: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(float(row["accuracy"]))
    found = [
        {"group": name, "runs": len(v), "mean": statistics.fmean(v), "min": min(v), "max": max(v)}
        for name, v in groups.items()
    ]
    return sorted(found, key=lambda row: -row["mean"])


def by_augmentation(row: Mapping[str, Any]) -> str:
    """Key for `summarise`: with or without augmentation."""
    return "without augmentation" if row.get("augment", "none") == "none" else "with augmentation"


def _text(grid: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    return {k: list(v) for k, v in grid.items()}


def _enqueue_missing(study: Any, wanted: Sequence[Mapping[str, Any]]) -> None:
    """Queue every point that is not done, running or queued: new ones, and those that were cut off."""
    covered = [
        t.user_attrs.get("point")
        for t in study.get_trials(deepcopy=False)
        if t.state.name in ("COMPLETE", "RUNNING", "WAITING")
    ]
    for point in wanted:
        if point not in covered:
            study.enqueue_trial(dict(point), user_attrs={"point": dict(point)})
