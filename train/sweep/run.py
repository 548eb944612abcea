"""One sweep: what is left of its runs, what each leaves behind, and the tables and pictures of all."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ...bundle import LABELS, write_text
from ...bundle.dataset import Dataset, Watch, read_dataset, unwatched
from ...bundle.extras import load
from ...errors import UsageError
from ..evaluation.evaluation import plot_confusion, plot_history
from ..evaluation.predict import validate
from ..fit import Fitted, fit
from ..made_on import hardware, versions
from ..recipe import Recipe, load_recipe
from ..torch_import import import_torch
from ..tracking import open_tracker
from .grids import Part, plan
from .plots import plot_sweep
from .study import Outcome, sweep
from .tables import by_augmentation, by_backbone, summarise

OUTCOME = "outcome.json"


@dataclass(frozen=True)
class SweepOptions:
    """What to sweep over.

    Attributes:
        data: class folders, or a CSV manifest.
        out: where each run's files go, the tables and plots, and the storage without a `storage`.
        recipe: whose keys the grid changes.
        backbones: timm names, each with the whole grid; of a preset only these. None: resnet18, or all of the preset.
        grid: recipe key -> values, a preset of grids.py by its name, or None for the published ranges.
        trials: how many runs of every grid, in all; None for the whole grid, or what the preset says.
        storage: an Optuna storage URL.
        study: a name in it.
        init: first weights.
        track: an MLflow server or folder to record each run in.
        label_map: what folders that are no usual label mean; see `read_label_map`.
    """

    data: Path
    out: Path
    recipe: str = "published"
    backbones: tuple[str, ...] | None = None
    grid: Mapping[str, Sequence[Any]] | str | None = None
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

    Each run's folder keeps its best checkpoint, history, curves, confusion matrix and report; `out` gets
    summary.json and the plots of all.

    Raises UsageError, DatasetError: grid, recipe or data cannot be used; and as `sweep` and `fit` do.
    """
    base = load_recipe(options.recipe)
    parts = plan(options.grid, options.backbones, options.trials)
    _check_backbones(parts)
    dataset = read_dataset(options.data, base.second_label, base.seed, watch, label_map=options.label_map)
    for line in dataset.notes():
        on_notice(line)
    options.out.mkdir(parents=True, exist_ok=True)
    storage = options.storage or f"sqlite:///{options.out.resolve() / 'sweep.db'}"
    rows: list[dict[str, Any]] = []
    for part in parts:
        rows += sweep(
            replace(base, backbone=part.backbone),
            part.grid,
            lambda recipe, name: _trial(options, recipe, dataset, name, on_notice, watch),
            study="-".join(word for word in (options.study, part.name, part.backbone) if word),
            storage=storage,
            trials=part.trials,
            say=on_notice,
        )
    rows = [{"augment": base.augment, **row} for row in rows]
    found = {
        "runs": rows,
        "by_backbone": summarise(rows, by_backbone),
        "by_augmentation": summarise(rows, by_augmentation),
    }
    _keep_summary(options, base, found)
    return found


def _check_backbones(parts: Sequence[Part]) -> None:
    """A wrong name is told before the first run, not after the hours of those before it."""
    import_torch()
    timm = load("timm", "train")
    for part in parts:
        if not timm.is_model(part.backbone):
            raise UsageError(
                f"timm has no backbone {part.backbone!r}", hint="the same command with --backbones resnet18"
            )


def _trial(
    options: SweepOptions, recipe: Recipe, dataset: Dataset, name: str, say: Callable[[str], None], watch: Watch
) -> Outcome:
    """One run: goes on from its checkpoint if it was cut off, and is not trained again once its outcome is written."""
    place = options.out / name
    if (place / OUTCOME).is_file():
        return _outcome(place / OUTCOME, recipe)
    resume = (place / "last.pt").exists()

    def tell(line: str) -> None:
        say(f"  {line}")

    tracker = open_tracker(options.track, name, recipe, place, resume)
    try:
        fitted = fit(
            recipe, dataset, place, init=options.init, resume=resume, watch=watch, say=tell, on_epoch=tracker.epoch
        )
        outcome, figures, files = _leave(fitted, dataset, recipe, place)
        tracker.finish({**figures, **asdict(outcome)}, files)
    except BaseException:
        tracker.fail()
        raise
    write_text(place / OUTCOME, json.dumps({"recipe": asdict(recipe), **asdict(outcome)}) + "\n")
    return outcome


def _outcome(path: Path, recipe: Recipe) -> Outcome:
    """What a run came to whose end Optuna was not told of; raises UsageError where it was of another recipe."""
    kept = json.loads(path.read_text())
    known = asdict(Recipe(recipe.name)) | kept.pop("recipe")  # keys that came later had their defaults then
    if json.loads(json.dumps(known)) != json.loads(json.dumps(asdict(recipe))):
        raise UsageError(f"{path.parent} holds a run of another recipe", hint="the same command with another --out")
    return Outcome(**kept)


def _leave(fitted: Fitted, dataset: Dataset, recipe: Recipe, place: Path) -> tuple[Outcome, dict[str, Any], list[Path]]:
    """Measure the kept network and write its report, curves and confusion matrix; what only resuming needs goes."""
    figures = validate(fitted.network, dataset.split("valid"), recipe.size)
    minutes, epochs = fitted.minutes, len(fitted.history)
    outcome = Outcome(figures["accuracy"], figures["loss"], minutes, epochs, fitted.best_epoch)
    figures |= {"hardware": hardware(), "versions": versions()}
    write_text(place / "report.json", json.dumps(figures, indent=1) + "\n")
    plot_history(fitted.history, place / "curves.png")
    plot_confusion(figures, LABELS, place / "confusion.png")
    for checkpoint in [*place.glob("epoch_*.pt"), place / "last.pt"]:
        checkpoint.unlink(missing_ok=True)  # 75 runs of 30 epochs would fill a disk
    return outcome, figures, [place / "curves.png", place / "confusion.png"]


def _keep_summary(options: SweepOptions, base: Recipe, found: dict[str, list[dict[str, Any]]]) -> None:
    """Write the tables and plots, and record them as a run of their own where runs are tracked."""
    write_text(options.out / "summary.json", json.dumps(found, indent=1) + "\n")
    files = [options.out / "summary.json", *(plot_sweep(found, options.out) if found["runs"] else [])]
    if options.track:
        tracker = open_tracker(options.track, f"{options.study}: all runs", base, options.out, resume=True)
        tracker.finish({"runs": len(found["runs"])}, files)
