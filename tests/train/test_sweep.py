"""Sweeps: the published grids, the queue with a stand-in for training, and the command on made-up pictures."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from fer_edge.errors import UsageError
from fer_edge.train.recipe import load_recipe
from fer_edge.train.sweep import tables
from fer_edge.train.sweep.grids import PRESETS, PUBLISHED_GRID, STUDIED, plan, points, run_name
from fer_edge.train.sweep.plots import plot_sweep
from fer_edge.train.sweep.study import Outcome, sweep
from support.labelled import class_folders

Command = Callable[..., subprocess.CompletedProcess[str]]
TINY = load_recipe("tiny")


def test_published_names() -> None:
    recipe = replace(load_recipe("published"), augment="none", learning_rate=1e-3)
    assert run_name(recipe) == "resnet18_bs32lr0.001noaug"
    assert run_name(load_recipe("published")) == "resnet18_bs32lr5e-05aug"


def test_the_published_ranges() -> None:
    """Table 3 and section 6.1.8; .1, .2 and .4 were never tried."""
    assert PUBLISHED_GRID["dropout"] == (0.0, 0.25, 0.28, 0.3, 0.32, 0.35, 0.5)
    assert set(PUBLISHED_GRID["weight_decay"]) == {0, 4e-4, 5e-5, 5e-4, 6e-4}


def test_the_first_75_are_the_same_fifteen_for_every_backbone() -> None:
    parts = plan("first75", None, None)
    assert [part.backbone for part in parts] == list(STUDIED)
    drawn = [points(part.grid, 42)[: part.trials] for part in parts]
    assert sum(map(len, drawn)) == 75
    assert all(some == drawn[0] for some in drawn)
    assert {p["augment"] for p in drawn[0]} == {"none", "v1"}
    assert {p["dropout"] for p in drawn[0]} <= {0.0, 0.3, 0.5}


def test_the_final_runs_are_those_that_are_described() -> None:
    runs = [(part.backbone, point) for part in PRESETS["final14"] for point in points(part.grid, 42)]
    assert len(runs) == 13
    assert sum(backbone == "resnet18" for backbone, _ in runs) == 10
    assert sum(point["augment"] == "none" for _, point in runs) == 1
    assert {p["dropout"] for b, p in runs if b == "efficientnet_b0"} == {0.25, 0.28, 0.35}
    assert {p["learning_rate"] for _, p in runs} == {5e-5}
    assert [part.backbone for part in plan("final14", ("efficientnet_b0",), 1)] == ["efficientnet_b0"]


def test_tables_leave_out_what_some_runs_did_not_keep() -> None:
    rows = [
        {"backbone": "a", "augment": "none", "accuracy": 0.5, "loss": 1.0, "minutes": 2.0},
        {"backbone": "a", "augment": "v1", "accuracy": 0.7, "loss": 0.5, "minutes": None},
        {"backbone": "b", "augment": "v2", "accuracy": 0.9, "loss": 0.3, "minutes": 4.0},
    ]
    b, a = tables.summarise(rows, tables.by_backbone)
    assert (a["runs"], a["accuracy"]) == (2, pytest.approx({"mean": 0.6, "min": 0.5, "max": 0.7}))
    assert a["loss"] == pytest.approx({"mean": 0.75, "min": 0.5, "max": 1.0})
    assert (a["minutes"], b["minutes"]) == (None, {"mean": 4.0, "min": 4.0, "max": 4.0})
    shown = tables.text("by backbone", [b, a])
    assert "0.6000 (0.5000 to 0.7000)" in shown
    assert "-: not kept by every one of the 2 runs" in shown
    groups = [(g["group"], g["runs"]) for g in tables.summarise(rows, tables.by_augmentation)]
    assert groups == [("with augmentation", 2), ("without augmentation", 1)]


class TestQueue:
    """The grid, with a stand-in for the training that only this test needs."""

    @pytest.fixture(autouse=True)
    def optuna(self) -> object:
        return pytest.importorskip("optuna", reason="needs the train extra")

    @pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
    def test_grid_is_run_once_and_goes_on_after_a_break(self, tmp_path: Path) -> None:
        grid = {"learning_rate": (1e-3, 1e-4), "augment": ("v2", "v1"), "dropout": (0.0,)}
        ran: list[str] = []

        def train(recipe: object, name: str) -> Outcome:
            ran.append(name)
            if len(ran) == 3:
                raise KeyboardInterrupt
            return Outcome(0.5 + 0.1 * ("v2" in name), 1.0, 3.0, 2, 1)

        options = {"study": "s", "storage": f"sqlite:///{tmp_path / 's.db'}", "say": lambda line: None}
        with pytest.raises(KeyboardInterrupt):
            sweep(TINY, grid, train, **options)  # type: ignore[arg-type]
        rows = sweep(TINY, grid, train, **options)  # type: ignore[arg-type]
        assert len(rows) == 4
        assert len(ran) == 5
        assert len(set(ran)) == 4
        assert {row["name"] for row in rows} == set(ran)
        assert len(sweep(TINY, grid, train, **options)) == 4  # type: ignore[arg-type]
        assert len(ran) == 5
        (table,) = tables.summarise(rows, tables.by_augmentation)
        assert (table["group"], table["runs"]) == ("with augmentation", 4)
        assert table["accuracy"] == pytest.approx({"mean": 0.55, "min": 0.5, "max": 0.6})
        assert table["minutes"] == {"mean": 3.0, "min": 3.0, "max": 3.0}
        with pytest.raises(UsageError, match="has another grid"):
            sweep(TINY, {"dropout": (0.1,)}, train, **options)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="has another recipe"):
            sweep(replace(TINY, size=64), grid, train, **options)  # type: ignore[arg-type]

    @pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
    def test_it_goes_on_where_recipes_had_fewer_keys(self, optuna: Any, tmp_path: Path) -> None:
        """A sweep of an older fer-edge lacked what came later, which was at its default then."""
        storage, grid = f"sqlite:///{tmp_path / 's.db'}", {"dropout": (0.0, 0.2)}
        known = {k: v for k, v in asdict(TINY).items() if k not in ("dropout", "attention")}
        shared = optuna.create_study(study_name="s", storage=storage, direction="maximize")
        shared.set_user_attr("recipe", json.loads(json.dumps(known)))
        rows = sweep(TINY, grid, lambda recipe, name: Outcome(0.5), study="s", storage=storage)
        assert len(rows) == 2
        other = replace(TINY, attention="se")
        with pytest.raises(UsageError, match="has another recipe"):
            sweep(other, grid, lambda recipe, name: Outcome(0.5), study="s", storage=storage)

    @pytest.mark.parametrize(
        ("grid", "says"),
        [
            ({"momentum": (1,)}, "momentum is not a key of a recipe"),
            ({"augment": ("v1", "v9")}, "augment must be one of"),
            ({"dropout": (0.1, "much")}, "dropout must be a number"),
        ],
    )
    def test_what_a_recipe_cannot_have_is_refused_before_the_first_run(
        self, grid: dict[str, tuple[object, ...]], says: str
    ) -> None:
        ran: list[str] = []
        with pytest.raises(UsageError, match=says):
            sweep(TINY, grid, lambda r, n: ran.append(n) or Outcome(0.0), study="s", storage="sqlite://")
        assert not ran


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--grid", "final15"], "there is no grid 'final15'"),
        (["--grid", "{dropout: 1}"], "is not JSON"),
        (["--grid", '{"dropout": 1}'], "must be an object of lists"),
        (["--grid", "final14", "--backbones", "mobilenetv3_rw"], "has no backbone 'mobilenetv3_rw'"),
        (["--trials", "0"], "--trials is at least 1"),
        (["--backbones", "resnet18,resnet19"], "timm has no backbone 'resnet19'"),
    ],
)
def test_wrong_sweeps_are_refused_at_once(words: list[str], says: str, command: Command, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs the train extra")
    class_folders(tmp_path / "d", each=2)
    done = command("sweep", "--data", "d", "--out", "s", "--recipe", "tiny", *words)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "s").exists()


@pytest.mark.filterwarnings("error")
def test_plots_where_the_best_runs_are_with_another_machine(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the train extra")
    runs = [{"name": f"r{n}", "backbone": "resnet18", "accuracy": n / 10} for n in range(3)]
    group = {"group": "resnet18", "runs": 3, "accuracy": {"mean": 0.1, "min": 0.0, "max": 0.2}}
    (tmp_path / "r0").mkdir()
    (tmp_path / "r0" / "history.json").write_text('[{"epoch": 1, "accuracy": 0.0, "valid_loss": 1.0}]')
    drawn = plot_sweep({"runs": runs, "by_backbone": [group], "by_augmentation": [group]}, tmp_path)
    assert [path.name for path in drawn] == ["by_backbone.png", "by_augmentation.png", "all_curves.png"]
    assert all(path.is_file() for path in drawn)


@pytest.mark.train
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what MLflow asks SQLAlchemy for
def test_a_sweep_leaves_tables_plots_and_what_each_run_was(command: Command, tmp_path: Path) -> None:
    pytest.importorskip("mlflow", reason="needs the train extra")
    class_folders(tmp_path / "d", each=6, suffixes=[".png"])
    (tmp_path / "r.toml").write_text('backbone = "mobilenetv3_small_100"\nsize = 32\nbatch = 8\nepochs = 1\n')
    words = ["sweep", "--data", "d", "--recipe", "r.toml", "--backbones", "mobilenetv3_small_100", "--out", "s"]
    grid = ["--grid", '{"augment": ["none", "v1"]}', "--track", "runs"]
    done = command(*words, *grid, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "without augmentation" in done.stdout
    found = json.loads((tmp_path / "s" / "summary.json").read_text())
    assert [group["runs"] for group in found["by_backbone"]] == [2]
    assert all(0 < run["minutes"] < 10 and run["loss"] > 0 and run["epochs"] == 1 for run in found["runs"])
    plots = {"by_backbone.png", "by_augmentation.png", "best_curves.png", "all_curves.png"}
    assert plots <= {p.name for p in (tmp_path / "s").iterdir()}
    for run in found["runs"]:
        left = {p.name for p in (tmp_path / "s" / run["name"]).iterdir()}
        kept = {"best.pt", "history.json", "curves.png", "confusion.png", "report.json", "outcome.json", "mlflow_run"}
        assert left == kept
        report = json.loads((tmp_path / "s" / run["name"] / "report.json").read_text())
        assert report["accuracy"] == run["accuracy"]
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("fer-edge").experiment_id])
    artifacts = {run.info.run_name: {a.path for a in client.list_artifacts(run.info.run_id)} for run in runs}
    assert plots | {"summary.json"} <= artifacts.pop("fer-edge: all runs")
    assert len(artifacts) == 2
    assert all({"curves.png", "confusion.png", "classification_report.json"} <= a for a in artifacts.values())
    again = command(*words, *grid, "--json", timeout=300)
    assert json.loads(again.stdout) == found
