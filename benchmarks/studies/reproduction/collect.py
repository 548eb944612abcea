"""What was run, read from the folders that the trainings left."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....bundle import write_text
from ....export.onnx import export_network
from ....train.network import fold_luma, open_checkpoint
from ...published.workload import count_file


@dataclass(frozen=True)
class Run:
    """One finished training of a sweep.

    Attributes:
        folder: with best.pt, report.json and history.json.
        recipe: its keys; outcome: accuracy, loss and minutes, as `Outcome` has them.
        report: figures on the validation pictures, hardware and versions.
    """

    folder: Path
    recipe: dict[str, Any]
    outcome: dict[str, Any]
    report: dict[str, Any]

    @property
    def row(self) -> dict[str, Any]:
        """Recipe and outcome together, as the sweep's tables want them."""
        return {**self.recipe, "name": self.folder.name, **self.outcome}


def runs_of(out: Path, stage: str) -> list[Run]:
    """Every finished run of a sweep, by name."""
    found = []
    for path in sorted((out / stage).glob("*/outcome.json")):
        outcome = json.loads(path.read_text())
        recipe = outcome.pop("recipe")
        found.append(Run(path.parent, recipe, outcome, json.loads((path.parent / "report.json").read_text())))
    return found


def best_run(runs: Sequence[Run], backbone: str = "") -> Run | None:
    """The run with the highest validation accuracy, of one backbone where it is named; None where there is none."""
    fitting = [run for run in runs if backbone in ("", run.recipe["backbone"])]
    return max(fitting, key=lambda run: run.outcome["accuracy"], default=None)


def read_json(path: Path) -> dict[str, Any] | None:
    """A file that a stage writes at its end, None where it did not get there."""
    return dict(json.loads(path.read_text())) if path.is_file() else None


def work_of(run: Run) -> dict[str, float]:
    """Parameters and multiply-adds of a run's network at its own size, kept beside it once they were counted."""
    kept = run.folder / "work.json"
    if not kept.is_file():
        network, recipe = open_checkpoint(run.folder / "best.pt")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            export_network(fold_luma(network, recipe.luma_layer), recipe.size, path)
            counted = count_file(path)
        write_text(kept, json.dumps({"parameters": counted.params, "multiply-adds": counted.macs}) + "\n")
    return dict(json.loads(kept.read_text()))
