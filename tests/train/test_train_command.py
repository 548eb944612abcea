"""`fer-edge train` as a user runs it: from folders to a running bundle, killed, tracked, shared by two processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fer_edge.bundle import LABELS, open_bundle
from fer_edge.bundle.dataset import balanced, read_dataset

Command = Callable[..., subprocess.CompletedProcess[str]]
pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def data(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """280 real faces in class folders, one of them broken."""
    pytest.importorskip("torch", reason="needs the train extra")
    folder = tmp_path_factory.mktemp("class") / "data"
    for s in balanced(read_dataset(faces / "manifest.csv").split("train"), 280, 5):
        assert s.label is not None
        target = folder / LABELS[s.label]
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(s.path, target)
    (folder / "happy" / "broken.png").write_bytes(b"\x89PNG")
    return folder


def quick(folder: Path, epochs: int = 2) -> Path:
    """A recipe for tests in which nothing needs to be learnt."""
    path = folder / "quick.toml"
    lines = ['backbone = "mobilenetv3_small_100"', 'color = "luma"', "size = 32", "batch = 32", f"epochs = {epochs}"]
    path.write_text("\n".join([*lines, "learning_rate = 1e-3"]))
    return path


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow's own, when this process reads its database
def test_from_folders_to_a_running_bundle(data: Path, backbone: Path, tmp_path: Path, command: Command) -> None:
    """Trained, exported, measured, packed, tracked in MLflow; then run."""
    words = ["--data", data, "--recipe", "tiny", "--out", "b", "--init", backbone, "--track", "ml", "--dedupe"]
    done = command("train", *words, "--about", "A test.", timeout=400)
    assert done.returncode == 0, done.stderr
    assert "happy/broken.png" in done.stdout
    assert "left out, 1 picture cannot be read: " in done.stdout
    assert "epoch 2: loss" in done.stdout
    bundle = open_bundle(tmp_path / "b")
    assert {a.precision for a in bundle.manifest.artifacts} == {"float16", "int8"}
    assert bundle.manifest.metrics["accuracy"] > 1 / 7
    small = bundle.artifact("onnx", "int8")
    assert small.parity["label_agreement"] > 0.85
    assert small.size < 12_000_000
    card = (tmp_path / "b" / "MODEL_CARD.md").read_text()
    assert "A test." in card
    assert f"| onnx int8 | {small.metrics['accuracy']:.3f}" in card
    assert str(tmp_path) not in (tmp_path / "b" / "bundle.json").read_text()

    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path / 'ml' / 'mlflow.db'}")
    (tracked,) = client.search_runs([client.get_experiment_by_name("fer-edge").experiment_id])
    assert tracked.info.status == "FINISHED"
    assert tracked.data.params["backbone"] == "resnet18"
    assert [m.step for m in client.get_metric_history(tracked.info.run_id, "valid_loss")] == [1, 2]
    assert "inference_ms_per_batch" in tracked.data.metrics
    kept = {a.path for a in client.list_artifacts(tracked.info.run_id)}
    assert kept == {"classification_report.json", "confusion.png", "curves.png"}

    checked = command("evaluate", "--data", data, "--split", "valid", "--checkpoint", "b.work/best.pt", "--json")
    assert json.loads(checked.stdout)["accuracy"] == pytest.approx(bundle.manifest.metrics["accuracy"], abs=0.05)
    ran = command("run", "--source", data / "happy", "--bundle", "b")
    assert ran.returncode in (0, 2), ran.stderr  # Haar may find no face in 48 pixels; the bundle opened either way
    assert "Traceback" not in ran.stderr


def test_a_finished_model_learns_on(data: Path, tmp_path: Path, command: Command) -> None:
    """First weights and teacher by a bundle's name; the new bundle says whose they were."""
    few = tmp_path / "few"
    for label in LABELS:
        (few / label).mkdir(parents=True)
        for picture in sorted(p for p in (data / label).glob("*.png") if p.name != "broken.png")[:8]:
            shutil.copy(picture, few / label)
    recipe = tmp_path / "on.toml"
    lines = [
        'backbone = "resnet18"',
        'color = "luma"',
        "size = 112",
        "batch = 16",
        "epochs = 1",
        "learning_rate = 1e-5",
    ]
    recipe.write_text("\n".join([*lines, "distill = 0.5", 'distill_answers = "once"']))
    words = ["--data", few, "--recipe", recipe, "--init", "default", "--teacher", "default,weight=2", "--out", "b"]
    done = command("train", *words, timeout=400)
    assert done.returncode == 0, done.stderr
    ours, made = open_bundle("default").manifest, open_bundle(tmp_path / "b").manifest.provenance
    whose = f"{ours.name} {ours.version} (sha256 {ours.artifacts[0].sha256[:16]})"
    assert made["init"] == whose
    assert made["teacher"].startswith(f"{ours.name} {ours.version} (sha256 ")
    assert made["teacher"].endswith(", weight 2")


def test_killed_for_good_and_resumed(data: Path, tmp_path: Path, command: Command) -> None:
    """SIGKILL after the first epoch; resuming gives the history of an unbroken run."""
    words = ["train", "--data", str(data), "--recipe", str(quick(tmp_path)), "--threads", "1"]
    whole = command(*words, "--out", "whole", timeout=300)
    assert whole.returncode == 0, whole.stderr
    process = subprocess.Popen(
        [sys.executable, "-m", "fer_edge", *words, "--out", "broken"], cwd=tmp_path, stdout=subprocess.DEVNULL
    )
    limit = time.monotonic() + 200
    while time.monotonic() < limit and not (tmp_path / "broken.work" / "last.pt").exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "broken").exists()
    refused = command(*words, "--out", "broken")
    assert refused.returncode == 2
    assert "add --resume" in refused.stderr
    again = command(*words, "--out", "broken", "--resume", timeout=300)
    assert again.returncode == 0, again.stderr
    histories = [json.loads((tmp_path / f"{n}.work" / "history.json").read_text()) for n in ("whole", "broken")]
    assert histories[0] == histories[1]


def test_two_processes_share_the_work(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("accelerate", reason="needs the train extra")
    launch = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--cpu",
        "--num_processes",
        "2",
        "--num_machines",
        "1",
    ]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    words = ["train", "--data", str(data), "--recipe", str(quick(tmp_path)), "--threads", "1", "--out", "b"]
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "HOME": str(tmp_path)}
    done = subprocess.run(
        [*launch, "-m", "fer_edge", *words], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("bundle: b") == done.stdout.count("epoch 2: loss") == 1  # one of the two speaks
    assert open_bundle(tmp_path / "b").manifest.metrics["images"] > 40


def test_repeats_and_sweep(data: Path, tmp_path: Path, command: Command) -> None:
    words = ["--data", data, "--recipe", quick(tmp_path, epochs=1)]
    done = command("evaluate", *words, "--folds", "2", "--out", "o", timeout=300)
    assert done.returncode == 0, done.stderr
    assert "mean ± std" in done.stdout
    repeats = json.loads((tmp_path / "o" / "repeats.json").read_text())
    assert [r["name"] for r in repeats["runs"]] == ["seed 42 fold 1", "seed 42 fold 2"]
    grid = json.dumps({"dropout": [0.0, 0.2]})
    done = command(
        "sweep", *words, "--grid", grid, "--out", "s", "--backbones", "resnet18,mobilenetv3_small_100", timeout=300
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "s" / "summary.json").read_text())
    assert [row["runs"] for row in summary["by_backbone"]] == [2, 2]
    assert len(list((tmp_path / "s").glob("resnet18_bs32lr0.001noaug_*/best.pt"))) == 2
