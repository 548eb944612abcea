"""The same training several times: other seeds, or other folds, and what that does to the figures."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...bundle import LABELS
from ...bundle.dataset import Dataset, Watch, shuffled_by_label, unwatched
from ...errors import UsageError
from ..fit import fit
from ..recipe import load_recipe
from . import evaluation
from .predict import predict
from .truth import read_labelled, truth_of

FIGURES = ("accuracy", "mean_recall", "macro_f1", "calibration_error")


@dataclass(frozen=True)
class CrossValidationOptions:
    """What to train several times.

    Attributes:
        data: class folders, or a CSV manifest.
        recipe: a recipe's name, or a .toml file.
        seeds: one training each; the recipe's own when empty.
        folds: so many trainings for each seed; None for one.
        init: first weights.
        label: the manifest's column that holds the truth.
        label_map: what folders that are no usual label mean; see `read_label_map`.
        work: where checkpoints go; what was cut off there goes on.
    """

    data: Path
    recipe: str
    work: Path
    seeds: tuple[int, ...] = ()
    folds: int | None = None
    init: str | None = None
    label: str = "label"
    label_map: str | None = None


def cross_validate(
    options: CrossValidationOptions, on_notice: Callable[[str], None] = lambda line: None, watch: Watch = unwatched
) -> dict[str, Any]:
    """Train once a seed or fold; returns each run's figures and their mean and deviation, as `repeat` does.

    Folds, and data without a test split, are judged on `valid`.

    Args:
        on_notice: told how each epoch of each run went.
        watch: shows how far reading and each epoch are.

    Raises:
        UsageError, DatasetError: recipe, data or folds cannot be used; and as `fit` does.
    """
    recipe = load_recipe(options.recipe)
    dataset = read_labelled(options.data, options.label, recipe.second_label, watch, options.label_map)
    for line in dataset.notes():
        on_notice(line)
    cases = [(f"seed {seed}", replace(recipe, seed=seed), dataset) for seed in options.seeds or (recipe.seed,)]
    if options.folds:
        cases = [
            (f"{name} fold {i + 1}", r, part)
            for name, r, whole in cases
            for i, part in enumerate(folds(whole, options.folds, r.seed))
        ]

    def one(index: int) -> dict[str, Any]:
        name, changed, part = cases[index]

        def tell(line: str) -> None:
            on_notice(f"{name}: {line}")

        place = options.work / name.replace(" ", "_")
        resume = (place / "last.pt").exists()
        fitted = fit(changed, part, place, init=options.init, resume=resume, watch=watch, say=tell)
        split = "valid" if options.folds or not part.split("test") else "test"
        samples, truth = truth_of(part, split, options.label, options.data)
        return evaluation.evaluate(predict(fitted.network, samples, changed.size), truth, LABELS)

    return repeat([name for name, _, _ in cases], one)


def folds(dataset: Dataset, count: int, seed: int) -> list[Dataset]:
    """Train and valid pictures shared anew, each label evenly, so that every picture is in `valid` of one fold.

    Raises UsageError: fewer than two folds.
    """
    if count < 2:
        raise UsageError(f"--folds must be at least 2, not {count}")
    rest, shared = dataset.split("test"), [s for s in dataset.samples if s.split != "test"]
    groups = shuffled_by_label(shared, seed).values()
    fold_of = {s.path: i % count for members in groups for i, s in enumerate(members)}
    return [
        replace(
            dataset, samples=(*(replace(s, split="valid" if fold_of[s.path] == f else "train") for s in shared), *rest)
        )
        for f in range(count)
    ]


def repeat(names: Sequence[str], run: Callable[[int], Mapping[str, Any]]) -> dict[str, Any]:
    """Run once a name and gather the figures.

    Args:
        names: of the runs, such as "seed 42".
        run: its position -> figures, each 0..1.

    Returns:
        `runs`, one row each, and mean and sample standard deviation of each figure, as in the thesis's Table 9.
    """
    rows = [
        {"name": name, **{k: run_figures[k] for k in FIGURES}}
        for name, run_figures in zip(names, map(run, range(len(names))), strict=True)
    ]
    summary = {}
    for key in FIGURES:
        values = [float(row[key]) for row in rows]
        summary[key] = {"mean": statistics.fmean(values), "std": statistics.stdev(values) if len(values) > 1 else 0.0}
    return {"runs": rows, "summary": summary}


def table(result: Mapping[str, Any]) -> str:
    """The runs and their mean ± standard deviation, as lines of text."""
    lines = [f"{'run':16} " + " ".join(f"{k.replace('_', ' '):>18}" for k in FIGURES)]
    lines += [f"{row['name']:16} " + " ".join(f"{row[k]:18.4f}" for k in FIGURES) for row in result["runs"]]
    cells = (f"{v['mean']:.4f} ± {v['std']:.4f}" for v in (result["summary"][k] for k in FIGURES))
    return "\n".join([*lines, f"{'mean ± std':16} " + " ".join(f"{c:>18}" for c in cells)])
