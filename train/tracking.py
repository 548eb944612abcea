"""Recording runs in MLflow: parameters, figures by epoch, and pictures and tables at the end."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..bundle import write_text
from ..bundle.extras import load
from .recipe import Recipe

EXPERIMENT = "fer-edge"


class Tracker:
    """Takes what a run wants remembered; this one remembers nothing."""

    def epoch(self, row: Mapping[str, float], timing: Mapping[str, float]) -> None:
        """One epoch's figures."""

    def finish(self, figures: Mapping[str, Any], files: list[Path]) -> None:
        """The final figures, and files to keep; ends the run."""

    def fail(self) -> None:
        """End the run as failed."""


class MlflowTracker(Tracker):
    """One MLflow run."""

    def __init__(self, uri: str, name: str, recipe: Recipe, resume_id: str = "") -> None:
        """Start a run, or go on with the one of this id; raises MissingExtra.

        Args:
            uri: a tracking server, a database, or a folder. MLflow no longer writes plain folders of files, so a
                folder means the SQLite file `mlflow.db` in it, with artifacts beside.
        """
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("DO_NOT_TRACK", "true")
        client_class = load("mlflow.tracking", "train").MlflowClient
        artifacts: str | None = None
        if "://" not in uri:
            folder = Path(uri).resolve()
            folder.mkdir(parents=True, exist_ok=True)
            uri, artifacts = f"sqlite:///{folder / 'mlflow.db'}", (folder / "artifacts").as_uri()
        self._client = client_class(tracking_uri=uri)
        known = self._client.get_experiment_by_name(EXPERIMENT)
        experiment = known.experiment_id if known else self._client.create_experiment(EXPERIMENT, artifacts)
        self.run_id: str = resume_id or self._client.create_run(experiment, run_name=name).info.run_id
        if not resume_id:
            for key, value in asdict(recipe).items():
                self._client.log_param(self.run_id, key, value)

    def epoch(self, row: Mapping[str, float], timing: Mapping[str, float]) -> None:
        """See Tracker."""
        for key, value in {**row, **timing}.items():
            name = re.sub(r"[^\w. :/-]", "_", key)  # a source may be called anything, a metric may not
            self._client.log_metric(self.run_id, name, float(value), step=int(row["epoch"]))

    def finish(self, figures: Mapping[str, Any], files: list[Path]) -> None:
        """See Tracker."""
        for key, value in figures.items():
            if isinstance(value, (int, float)):
                self._client.log_metric(self.run_id, f"final_{key}", float(value))
        self._client.log_text(self.run_id, json.dumps(figures, indent=1), "classification_report.json")
        for file in files:
            self._client.log_artifact(self.run_id, str(file))
        self._client.set_terminated(self.run_id)

    def fail(self) -> None:
        """See Tracker."""
        self._client.set_terminated(self.run_id, status="FAILED")


def open_tracker(uri: str | None, name: str, recipe: Recipe, work: Path, resume: bool) -> Tracker:
    """The tracker asked for, by `uri`; a resumed run goes on in the MLflow run that it began, noted in `work`."""
    if not uri:
        return Tracker()
    note = work / "mlflow_run"
    known = note.read_text() if resume and note.is_file() else ""
    tracker = MlflowTracker(uri, name, recipe, known)
    write_text(note, tracker.run_id)
    return tracker
