"""Sections 11.1 and 11.2: attention, two networks and a temporal head, measured on what small networks say."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from fer_edge.benchmarks.studies.reproduction import beyond, temporal, variants
from fer_edge.benchmarks.studies.reproduction.options import ReproduceOptions, remember
from fer_edge.benchmarks.studies.reproduction.page import write_page
from fer_edge.benchmarks.studies.reproduction.sequences import FRAMES, Seen, accuracy, make_tracks, smoothed
from fer_edge.bundle import open_bundle
from fer_edge.bundle.dataset import read_dataset, unwatched
from fer_edge.errors import DatasetError
from fer_edge.train.evaluation.cross_validation import FIGURES
from fer_edge.train.recipe import load_recipe
from support.labelled import class_folders

CASES = (42, 123)


def noisy(truth: np.ndarray, sure: float, seed: int = 0) -> Seen:
    """What a network might say of tracks: right more often than not, and another on every frame."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(*truth.shape, 7)).astype(np.float32) + sure * np.eye(7, dtype=np.float32)[truth]
    return Seen(np.concatenate([logits, rng.normal(size=logits.shape)], axis=2).astype(np.float32), logits)


def test_tracks_stay_or_change_to_another_label() -> None:
    truth = np.arange(400) % 7
    tracks = make_tracks(truth, 300, 1)
    assert tracks.faces.shape == (300, FRAMES)
    assert np.array_equal(truth[tracks.faces], tracks.truth)
    assert len(set(tracks.faces[:, 0].tolist())) == 300
    shown = [len(set(row.tolist())) for row in tracks.truth]
    assert shown == [2 if changes else 1 for changes in tracks.changed]
    assert 0.4 < tracks.changed.mean() < 0.6
    assert np.array_equal(make_tracks(truth, 300, 1).faces, tracks.faces)
    assert not make_tracks(np.zeros(9, np.int64), 9, 1).changed.any()


def test_smoothing_helps_the_steady_and_costs_at_a_change() -> None:
    tracks = make_tracks(np.arange(700) % 7, 500, 1)
    probabilities = np.eye(7, dtype=np.float32)[noisy(tracks.truth, 2.0).logits.argmax(axis=2)]
    assert np.array_equal(smoothed(probabilities, 1.0), probabilities)
    alone, slow = accuracy(probabilities, tracks), accuracy(smoothed(probabilities, 0.2), tracks)
    assert slow["steady"] > alone["steady"] + 0.1
    clear = np.eye(7, dtype=np.float32)[tracks.truth]
    late = accuracy(smoothed(clear, 0.05), tracks)
    assert late["steady"] == 1
    assert late["changing"] < 0.9


def test_a_head_learns_to_remember(monkeypatch: pytest.MonkeyPatch) -> None:
    """On frames that are as doubtful as these, it must be better than frames alone; and it never sees the future."""
    pytest.importorskip("torch", reason="needs the train extra")
    monkeypatch.setattr(temporal, "EPOCHS", 12)
    learnt, tested = make_tracks(np.arange(700) % 7, 600, 1), make_tracks(np.arange(700) % 7, 300, 2)
    found = temporal.compare(noisy(learnt.truth, 2.0), learnt, noisy(tested.truth, 2.0, 1), tested, seed=42)
    assert found["temporal head"]["all frames"] > found["frame alone"]["all frames"] + 0.05
    assert found["exponential average"]["all frames"] > found["frame alone"]["all frames"] + 0.05
    assert found["share"] < 1
    assert found["tracks"] == [600, 300]
    assert 1000 < found["parameters"] < 20_000
    assert found["ms"] > 0
    assert 0.001 < found["mb"] < 0.2
    head, _ = temporal.fit_head(noisy(learnt.truth, 2.0), learnt, 42)
    whole = noisy(tested.truth, 2.0, 1)
    begun = Seen(whole.embeddings[:, :5], whole.logits[:, :5])
    assert np.allclose(temporal.answers(head, whole)[:, :5], temporal.answers(head, begun), atol=1e-5)
    with pytest.raises(DatasetError, match="at least two"):
        temporal.fit_head(whole.part(0, 1), tested.part(0, 1), 42)


def test_queries_are_timed_in_turns() -> None:
    order: list[str] = []
    times = variants.interleaved_ms({name: lambda name=name: order.append(name) for name in "ab"}, 3)  # type: ignore
    assert order == ["a", "b"] * 4
    assert set(times) == {"a", "b"}


def test_what_can_be_measured_depends_on_what_was_trained() -> None:
    assert [plan.name for plan in variants.variants(["cbam"])] == ["with CBAM"] * 3
    plans = variants.variants(["seeds", "se", "cbam"])
    assert len(plans) == 15
    assert {len(plan.members) for plan in plans if plan.name in (variants.PAIRS, variants.MIXED)} == {2}
    assert len({plan.case for plan in plans}) == 15


@pytest.mark.train
def test_networks_are_packed_joined_timed_and_given_a_head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch", reason="needs the train extra")
    from fer_edge.train.network import build_network

    for module in (variants, temporal, beyond):
        monkeypatch.setattr(module, "SEEDS", CASES)
    monkeypatch.setattr(variants, "ROUNDS", 2)
    for split, each in (("train", 5), ("valid", 2), ("test", 2)):
        class_folders(tmp_path / "o" / "part" / split, each=each, suffixes=[".png"], blur=2)
    out = tmp_path / "o"
    dataset = read_dataset(out / "part", watch=unwatched)
    remember(ReproduceOptions(out / "part", out, out, size=32), {"train": 35, "valid": 14, "test": 14}, "faces", "ab")
    said: list[str] = []
    temporal.train_heads(out, dataset, said.append, unwatched)
    assert said == ["stage seeds is not done: there is no network to put a head on"]
    for stage, attention in (("seeds", "none"), ("se", "se")):
        for seed in CASES:
            small = {"size": 32, "stages": (16, 16, 32, 32), "attention": attention, "seed": seed}
            recipe = replace(load_recipe("published"), **small)  # type: ignore[arg-type]
            place = out / stage / f"seed_{seed}"
            place.mkdir(parents=True)
            torch.manual_seed(seed)
            torch.save({"network": build_network(recipe).state_dict(), "recipe": asdict(recipe)}, place / "best.pt")
            epoch = {"epoch": 1, "accuracy": 0.1, "valid_loss": 2.0, "mean_recall": 0.1, "calibration_error": 0.1}
            (place / "history.json").write_text(json.dumps([epoch]))
        summary = {key: {"mean": 0.1, "std": 0.0} for key in FIGURES}
        (out / stage / "repeats.json").write_text(json.dumps({"runs": [], "summary": summary}))
    variants.measure_variants(out, dataset, said.append, unwatched)
    temporal.train_heads(out, dataset, said.append, unwatched)
    assert "stage cbam is not done: its networks are left out" in said
    assert open_bundle(out / "bundles" / "se-42").manifest.provenance["data"]["name"] == "faces"
    found = {run["case"]: run for run in json.loads((out / "variants.json").read_text())["runs"]}
    assert set(found) == {"seeds-42", "seeds-123", "se-42", "se-123", "seeds-42+123", "seeds+se-42", "seeds+se-123"}
    both = found["seeds-42+123"]
    assert both["mb"] == pytest.approx(found["seeds-42"]["mb"] + found["seeds-123"]["mb"])
    answers = [np.load(out / "bundles" / f"seeds-{seed}-int8.npy") for seed in CASES]
    mean = sum(np.exp(a) / np.exp(a).sum(axis=1, keepdims=True) for a in answers)
    truth = np.array([s.label for s in dataset.split("test")])
    assert both["accuracy"] == pytest.approx(float((mean.argmax(axis=1) == truth).mean()))
    assert found["se-42"]["mb"] > found["seeds-42"]["mb"]
    write_page(out, tmp_path / "docs")
    with (tmp_path / "docs" / "reproduction" / "variants.csv").open() as file:
        cells = {(row["row"], row["figure"]): row["ours"] for row in csv.DictReader(file)}
    assert cells["with CBAM", "accuracy, int8"] == "not run"
    assert " ± " in cells["with SE", "ms, int8"]
    assert cells["two ResNet-18 of other seeds", "accuracy, int8"] == f"{both['accuracy']:.4f} (1 seed)"
    page = (tmp_path / "docs" / "reproduction.md").read_text()
    assert "**No video:** nobody labelled one here." in page
    again = (out / "temporal" / "seed_42.json").stat().st_mtime_ns
    temporal.train_heads(out, dataset, said.append, unwatched)
    assert (out / "temporal" / "seed_42.json").stat().st_mtime_ns == again


def test_deviations_say_of_how_many_seeds() -> None:
    assert beyond.mean_and_deviation([], 2) is None
    assert beyond.mean_and_deviation([1.0], 2) == "1.00 (1 seed)"
    assert beyond.mean_and_deviation([1.0, 2.0, 3.0], 2) == "2.00 ± 1.00"
