"""The same training several times: other seeds, or other folds, and what that does to the figures."""

from __future__ import annotations

import random
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...bundle.dataset import Dataset, Sample
from ...errors import UsageError

FIGURES = ("accuracy", "mean_recall", "macro_f1", "calibration_error")


def folds(dataset: Dataset, count: int, seed: int) -> list[Dataset]:
    """Train and valid pictures shared anew, each label evenly, so that every picture is in `valid` of one fold.

    Raises:
        UsageError: fewer than two folds.
    """
    if count < 2:
        raise UsageError(f"--folds must be at least 2, not {count}")
    groups: dict[Any, list[Sample]] = defaultdict(list)
    for sample in dataset.samples:
        if sample.split != "test":
            groups[sample.label].append(sample)
    fold_of = {}
    for label, members in groups.items():
        members.sort(key=lambda s: str(s.path))
        random.Random(f"{seed} {label}").shuffle(members)
        fold_of.update({s.path: i % count for i, s in enumerate(members)})
    rest = dataset.split("test")
    shared = [s for s in dataset.samples if s.split != "test"]
    return [
        replace(
            dataset,
            samples=(*(replace(s, split="valid" if fold_of[s.path] == f else "train") for s in shared), *rest),
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
    rows = [{"name": name, **{k: run_figures[k] for k in FIGURES}} for name, run_figures in _each(names, run)]
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


def _each(names: Sequence[str], run: Callable[[int], Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(name, run(i)) for i, name in enumerate(names)]
