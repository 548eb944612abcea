"""The queue of runs, in Optuna's storage, so that several machines can share one grid."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ...bundle.extras import load
from ...errors import UsageError
from ..recipe import Recipe
from .grids import Grid, points, recipe_at, run_name
from .storage import fail_silent, open_storage, shown


@dataclass(frozen=True)
class Outcome:
    """What a run came to: the kept network on the validation pictures, and what it took.

    Attributes:
        accuracy: 0..1; loss: mean log loss, in nats.
        minutes: of wall clock, None where a run began before they were kept.
        epochs: that were run; best_epoch: the one that was kept, counted from 1.
    """

    accuracy: float
    loss: float | None = None
    minutes: float | None = None
    epochs: int | None = None
    best_epoch: int | None = None


Run = Callable[[Recipe, str], Outcome]
"""Trains a recipe under a run name."""


def sweep(
    base: Recipe,
    grid: Grid,
    run: Run,
    *,
    study: str,
    storage: str,
    trials: int | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> list[dict[str, Any]]:
    """Run a grid, each point once, and return every finished trial: its backbone, name, parameters and outcome.

    What is in the storage already is not run again; a trial that was cut off is. Several machines given the same
    storage and study share the grid.

    Args:
        base: the recipe whose keys the grid changes.
        grid: recipe key -> values.
        run: trains one recipe.
        storage: an Optuna storage URL, such as sqlite:///sweep.db.
        trials: how many to have in all, None for the whole grid.

    Raises:
        MissingExtra: Optuna is absent; UsageError: a key or value that a recipe cannot have, or a storage of another
        grid.
    """
    wanted = points(grid, base.seed)
    for point in wanted:
        recipe_at(base, point)  # a wrong value is told before the first run, not hours later
    shared = _open(base, grid, study, storage)
    _enqueue_missing(shared, wanted[:trials])

    def objective(trial: Any) -> float:
        if "point" not in trial.user_attrs or _taken(shared, trial):  # another machine was faster
            raise load("optuna", "train").TrialPruned
        recipe = recipe_at(base, {k: trial.suggest_categorical(k, list(v)) for k, v in grid.items()})
        name = _folder_name(recipe, grid)
        say(f"trial {trial.number}: {name}")
        outcome = run(recipe, name)
        trial.set_user_attr("outcome", asdict(outcome))
        return outcome.accuracy

    while any(t.state.name == "WAITING" for t in shared.get_trials(deepcopy=False)):
        shared.optimize(objective, n_trials=1)
    return finished(shared, base, grid)


def _taken(study: Any, trial: Any) -> bool:
    """Whether another trial has the same point: two machines that begin at once each queue all of them."""
    return any(
        t.number < trial.number and t.state.name in ("COMPLETE", "RUNNING")
        for t in study.get_trials(deepcopy=False)
        if t.user_attrs.get("point") == trial.user_attrs["point"]
    )


def _open(base: Recipe, grid: Grid, study: str, storage: str) -> Any:
    optuna = load("optuna", "train")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    kept = open_storage(storage)
    sampler = optuna.samplers.RandomSampler(seed=base.seed)  # never asked: every point is enqueued
    shared = optuna.create_study(
        study_name=study, storage=kept, sampler=sampler, direction="maximize", load_if_exists=True
    )
    asked = {k: list(v) for k, v in grid.items()}
    if shared.user_attrs.get("grid", asked) != asked:
        raise UsageError(f"the study {study!r} in {shown(storage)} has another grid", hint="choose another --study")
    rest = {k: v for k, v in json.loads(json.dumps(asdict(base))).items() if k not in grid}
    usual = json.loads(json.dumps(asdict(Recipe(base.name))))  # keys that came later had their defaults then
    if {**usual, **shared.user_attrs.get("recipe", rest)} != {**usual, **rest}:
        raise UsageError(f"the study {study!r} in {shown(storage)} has another recipe", hint="choose another --study")
    shared.set_user_attr("grid", asked)
    shared.set_user_attr("recipe", rest)
    fail_silent(shared)
    return shared


def _folder_name(recipe: Recipe, grid: Grid) -> str:
    """The published name leaves most keys out; the rest keeps the runs' folders apart."""
    return run_name(recipe) + "".join(f"_{k}={getattr(recipe, k)}" for k in grid if k != "learning_rate")


def finished(study: Any, base: Recipe, grid: Grid) -> list[dict[str, Any]]:
    """Every completed trial: backbone, name of its folder, parameters, and its outcome, None where it was not kept."""
    rows = []
    for trial in study.get_trials(deepcopy=False):
        if trial.state.name == "COMPLETE":
            name = _folder_name(recipe_at(base, trial.params), grid)
            outcome = trial.user_attrs.get("outcome") or asdict(Outcome(trial.value))
            rows.append({"backbone": base.backbone, "name": name, **trial.params, **outcome})
    return rows


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
