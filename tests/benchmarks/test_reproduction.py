"""The study repeated: the page from made-up runs, and the command on made-up pictures."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fer_edge.benchmarks.studies.reproduction import published, run
from fer_edge.benchmarks.studies.reproduction.options import ReproduceOptions, remember
from fer_edge.benchmarks.studies.reproduction.page import write_page
from fer_edge.bundle import LABELS
from fer_edge.bundle.dataset import unwatched
from fer_edge.errors import UsageError
from fer_edge.export.metrics import report
from fer_edge.train.evaluation.cross_validation import CrossValidationOptions
from fer_edge.train.recipe import load_recipe
from fer_edge.train.sweep.grids import STUDIED
from fer_edge.train.sweep.run import SweepOptions
from support.labelled import class_folders

Command = Callable[..., subprocess.CompletedProcess[str]]


def rows_of(docs: Path, name: str) -> dict[tuple[str, str], dict[str, str]]:
    with (docs / "reproduction" / f"{name}.csv").open() as file:
        return {(row["row"], row["figure"]): row for row in csv.DictReader(file)}


def a_run(out: Path, stage: str, accuracy: float, **changed: Any) -> None:
    """What a finished training of a sweep leaves, but for its checkpoint."""
    recipe = replace(load_recipe("published"), **changed)
    folder = out / stage / f"{recipe.backbone}_{recipe.augment}_{recipe.dropout}"
    folder.mkdir(parents=True)
    outcome = {"accuracy": accuracy, "loss": 1.0, "minutes": 3.5, "epochs": 1, "best_epoch": 1}
    (folder / "outcome.json").write_text(json.dumps({"recipe": asdict(recipe), **outcome}))
    figures = report(np.eye(7, dtype=np.float32) * 9, np.arange(7), LABELS)
    made = {"hardware": {"processor": "P", "cores": 2, "system": "S", "memory_mib": 2048}, "versions": {"torch": "9"}}
    (folder / "report.json").write_text(json.dumps({**figures, **made}))
    (folder / "work.json").write_text(json.dumps({"parameters": 11.18e6, "multiply-adds": 0.15e9}))
    epoch = {"epoch": 1, "accuracy": accuracy, "valid_loss": 1.0}
    (folder / "history.json").write_text(json.dumps([epoch, {**epoch, "epoch": 2}]))


def test_a_page_of_nothing_fills_no_cell(tmp_path: Path) -> None:
    written = write_page(tmp_path / "out", tmp_path / "docs")
    page = (tmp_path / "docs" / "reproduction.md").read_text()
    assert "Nothing of it was run yet" in page
    tables = [path for path in written if path.suffix == ".csv"]
    assert len(tables) == 13
    for path in tables:
        with path.open() as file:
            assert {row["ours"] for row in csv.DictReader(file)} <= {"not run", ""}, path
    assert rows_of(tmp_path / "docs", "table16")["angry", "people"]["published"] == "1/1/12"


def test_figures_stand_beside_the_studys(tmp_path: Path) -> None:
    out, docs = tmp_path / "out", tmp_path / "docs"
    options = ReproduceOptions(tmp_path, out, docs, share=0.25)
    remember(options, {"train": 10, "valid": 5, "test": 5}, "faces", "ab" * 32)
    a_run(out, "first75", 0.5, augment="none")
    a_run(out, "first75", 0.6, augment="v1", backbone="mobilenetv3_small_100")
    a_run(out, "final14", 0.7, dropout=0.25)
    a_run(out, "final14", 0.65, dropout=0.35)
    pictures = {path.name for path in write_page(out, docs) if path.suffix == ".png"}
    assert pictures == {"by_backbone.png", "by_augmentation.png", "best_curves.png", "all_curves.png"}
    page = (docs / "reproduction.md").read_text()
    assert "64 x 64 pixels instead of 256 x 256" in page
    assert "4 runs of the two sweeps instead of 89, 25% of the training pictures of `faces`" in page.replace("\n", " ")
    assert "![Table 6: by backbone](reproduction/best_curves.png)" in page
    fifth = rows_of(docs, "table5")
    assert fifth["without augmentation (1 run of ours)", "accuracy"]["ours"] == "0.5000 (0.5000 to 0.5000)"
    assert fifth["with augmentation (1 run of ours)", "minutes"]["published"] == "76.8 (21.5 to 216.0)"
    sixth = rows_of(docs, "table6")
    assert sixth["resnet18", "accuracy"]["ours"] == "0.6167 (0.5000 to 0.7000)"
    assert sixth["efficientnet_b0", "accuracy"]["ours"] == "not run"
    assert sixth["mobilenetv3_small_100", "accuracy"]["published"] == ""
    best = rows_of(docs, "table7")
    assert (best["dropout", "value"]["published"], best["dropout", "value"]["ours"]) == ("0.28", "0.25")
    assert float(best["validation accuracy", "value"]["ours"]) == 0.7
    assert rows_of(docs, "table12")["resnet18", "parameters, M"]["ours"] == "11.18"
    assert rows_of(docs, "tables14-15")["processor", "value"]["ours"] == "P, 2 cores, 2 GiB"
    assert rows_of(docs, "table8")["macro", "f1"]["ours"] == "not run"
    setup = json.loads((out / "setup.json").read_text())
    (out / "setup.json").write_text(json.dumps({**setup, "init": "imagenet.safetensors"}))
    write_page(out, docs)
    page = (docs / "reproduction.md").read_text().replace("\n", " ")
    assert "`imagenet.safetensors` for ResNet-18 and `random` for other backbones" in page
    assert "its row compares with no other" in page
    (out / "setup.json").write_text(json.dumps({k: v for k, v in setup.items() if k != "others_init"}))
    remember(options, {"train": 10, "valid": 5, "test": 5}, "faces", "ab" * 32)
    with pytest.raises(UsageError, match=r"another set-up \(size\)"):
        remember(replace(options, size=96), {"train": 10, "valid": 5, "test": 5}, "faces", "ab" * 32)


def test_the_published_figures_agree_with_each_other() -> None:
    """The mean of the seeds and the mean accuracies of Table 6 are what other places of the study print."""
    seeds = list(published.TABLE_9_SEEDS.values())
    assert round(float(np.mean(seeds)), 3) == round(published.TABLE_9["three seeds, accuracy"][0], 3)
    assert sum(support for *_, support in published.TABLE_4.values()) == 3986
    assert all(low <= mean <= high for mean, low, high in published.TABLE_6.values())


def test_weights_of_one_network_are_given_to_it_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[SweepOptions] = []
    monkeypatch.setattr(run, "run_sweep", lambda options, say, watch: asked.append(options))
    options = ReproduceOptions(tmp_path, tmp_path / "o", tmp_path, trials=1)
    for init in ("imagenet.safetensors", "timm"):
        for stage in ("first75", "final14", "transformers"):
            run._sweep(stage, replace(options, init=init), tmp_path, print, unwatched)
    begun = [(one.study, one.backbones, one.init, one.trials) for one in asked]
    assert begun[:2] == [
        ("first75", ("resnet18",), "imagenet.safetensors", 1),
        ("first75", STUDIED[1:], None, 1),
    ]
    assert begun[2:5] == [
        ("final14", ("resnet18",), "imagenet.safetensors", 1),
        ("final14", ("efficientnet_b0",), None, 1),
        ("transformers", run.TRANSFORMERS, None, None),
    ]
    assert [init for *_, init, _ in begun[5:]] == ["timm"] * 3
    assert begun[5][1] == STUDIED


def test_a_stage_that_is_done_is_not_begun_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[CrossValidationOptions] = []

    def train(options: CrossValidationOptions, say: object, watch: object) -> dict[str, Any]:
        trained.append(options)
        place = options.work / "seed_42"
        place.mkdir(parents=True)
        for name in ("best.pt", "last.pt", "epoch_01.pt"):
            (place / name).write_text("")
        return {"runs": [{}] * (options.folds or len(options.seeds))}

    monkeypatch.setattr(run, "cross_validate", train)
    options = ReproduceOptions(tmp_path, tmp_path / "o", tmp_path, folds=2)
    for stage in run.CHANGED:
        for _ in range(2):
            run._repeat(stage, options, tmp_path, print, unwatched)
    assert [Path(one.recipe).stem for one in trained] == ["reduced", "reduced", "losses", "se", "cbam"]
    recipes = [load_recipe(one.recipe) for one in trained]
    assert [(r.focal, r.attention) for r in recipes] == [(0, "none")] * 2 + [(2, "none"), (0, "se"), (0, "cbam")]
    assert {(r.size, r.epochs) for r in recipes} == {(64, 6)}
    assert {path.name for path in (tmp_path / "o").rglob("*.pt")} == {"best.pt"}
    run._repeat("folds", replace(options, folds=3), tmp_path, print, unwatched)
    assert trained[-1].work != trained[1].work


@pytest.mark.train
def test_the_command_trains_writes_and_goes_on(command: Command, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs the train extra")
    for split, each in (("train", 4), ("valid", 1), ("test", 1)):
        class_folders(tmp_path / "d" / split, each=each, suffixes=[".png"])
    words = [
        "reproduce",
        "--data",
        "d",
        "--size",
        "32",
        "--epochs",
        "1",
        "--share",
        "0.5",
        "--threads",
        "1",
        "--out",
        "o",
    ]
    done = command(*words, "--stages", "losses", "--docs", "docs", timeout=400)
    assert done.returncode == 0, done.stderr
    assert "no run of final14 is done" in done.stdout
    found = rows_of(tmp_path / "docs", "losses")
    mean, deviation = found["focal, exponent 2", "accuracy"]["ours"].split(" ± ")
    assert 0 <= float(mean) <= 1
    assert 0 <= float(deviation) <= 1
    assert found["cross-entropy", "accuracy"]["ours"] == "not run"
    assert sorted(path.name for path in (tmp_path / "o" / "losses").glob("*/*.pt")) == ["best.pt"] * 3
    page = (tmp_path / "docs" / "reproduction.md").read_text()
    assert "14 train, 7 valid, 7 test" in page
    assert str(tmp_path) not in page
    again = command(*words, "--stages", "losses", "--docs", "docs", timeout=400)
    assert "epoch 1" not in again.stdout
    assert command("reproduce", "--out", "o", "--docs", "new").returncode == 0
    assert (tmp_path / "new" / "reproduction.md").read_text() == page
    refused = command(*[w if w != "32" else "48" for w in words])
    assert refused.returncode == 2
    assert "holds runs of another set-up (size)" in refused.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--stages", "first76"], "there is no stage 'first76'"),
        (["--init", "default", "--stages", "seeds,se"], "a whole network without attention"),
        (["--share", "0"], "--share is over 0"),
        (["--folds", "1"], "--folds at least 2"),
        ([], "no labelled picture in a test split"),
    ],
)
def test_wrong_reproductions_are_refused(words: list[str], says: str, command: Command, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs the train extra")
    class_folders(tmp_path / "d" / "train", each=1)
    class_folders(tmp_path / "d" / "valid", each=1)
    done = command("reproduce", "--data", "d", "--out", "o", *words)
    assert done.returncode == 2, done.stdout
    assert says in done.stderr
    assert "Traceback" not in done.stderr
