"""Sweeps: the published grids, run by Optuna so that several machines can share one."""

from __future__ import annotations

import random
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from ..errors import MissingExtra, UsageError
from .recipe import Recipe

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
    say: Callable[[str], None] = print,
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
    try:
        import optuna
    except ImportError:
        raise MissingExtra("optuna", "train") from None
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
