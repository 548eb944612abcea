"""Section 11.1, networks: with attention, and two together, each packed, measured and timed beside the plain one."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np

from ....bundle import LABELS, Logits, open_bundle, whole_image, write_text, writing
from ....bundle.dataset import Dataset, Sample, Watch, read_face
from ....export.labelled import logits_of
from ....export.metrics import Classes, report
from ....runtime.inference.classifier import Classifier
from ....train.evaluation.truth import truth_of
from ....train.fit import Fitted
from ....train.made_on import hardware
from ....train.network import open_checkpoint
from ....train.options import TrainingSet, TrainOptions
from ....train.pack import pack
from ....train.teachers.ensemble import mean_probabilities
from .options import SEEDS, recall

NETWORKS = {"seeds": "ResNet-18", "se": "with SE", "cbam": "with CBAM"}
"""Stage that trained it -> what it is called."""
PAIRS, MIXED = "two ResNet-18 of other seeds", "ResNet-18 and SE"
ROUNDS = 200
"""Pictures by which each network is timed."""
PRECISIONS = ("float16", "int8")
RESULT = "variants.json"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Variant:
    """One way to answer, at one seed: a network, or several whose probabilities are averaged."""

    name: str
    case: str
    members: tuple[str, ...]


def measure_variants(out: Path, dataset: Dataset, say: Say, watch: Watch) -> None:
    """Pack what the stages of NETWORKS trained, measure and time it on one thread, and write variants.json."""
    trained = [stage for stage in NETWORKS if (out / stage / "repeats.json").is_file()]
    for stage in NETWORKS:
        if stage not in trained:
            say(f"stage {stage} is not done: its networks are left out")
    if not trained:
        return
    samples, truth = truth_of(dataset, "test", "label", out / "part")
    for stage in trained:
        for seed in SEEDS:
            _pack(out, stage, seed, dataset, say, watch)
    members = {_key(stage, seed): _open(out, _key(stage, seed)) for stage in trained for seed in SEEDS}
    said = {key: _answers(out, key, opened, samples, watch) for key, opened in members.items()}
    plans = variants(trained)
    crop = whole_image(read_face(samples[0]), members[plans[0].members[0]]["int8"].size)[None]
    queries = {plan.case: _query([members[m]["int8"] for m in plan.members], crop) for plan in plans}
    times = interleaved_ms(queries, ROUNDS)
    rows = [
        {
            **asdict(plan),
            **_figures([said[m] for m in plan.members], truth),
            "ms": times[plan.case],
            "mb": _mb(out, plan),
        }
        for plan in plans
    ]
    found = {"pictures": len(samples), "hardware": hardware(), "runs": rows}
    write_text(out / RESULT, json.dumps(found, indent=1) + "\n")


def variants(trained: Sequence[str]) -> list[Variant]:
    """What can be measured of the stages that are done: each network, two plain ones, a plain one and one with SE."""
    plans = [Variant(NETWORKS[s], _key(s, seed), (_key(s, seed),)) for s in trained for seed in SEEDS]
    if "seeds" in trained:
        for a, b in combinations(SEEDS, 2):
            plans.append(Variant(PAIRS, f"seeds-{a}+{b}", (_key("seeds", a), _key("seeds", b))))
    if {"seeds", "se"} <= set(trained):
        plans += [Variant(MIXED, f"seeds+se-{s}", (_key("seeds", s), _key("se", s))) for s in SEEDS]
    return plans


def interleaved_ms(queries: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median wall-clock milliseconds of each query, run in turns: what else the machine does falls on all alike."""
    taken: dict[str, list[int]] = {name: [] for name in queries}
    for query in queries.values():
        query()
    for _ in range(rounds):
        for name, query in queries.items():
            began = perf_counter_ns()
            query()
            taken[name].append(perf_counter_ns() - began)
    return {name: statistics.median(spent) / 1e6 for name, spent in taken.items()}


def _key(stage: str, seed: int) -> str:
    return f"{stage}-{seed}"


def _pack(out: Path, stage: str, seed: int, dataset: Dataset, say: Say, watch: Watch) -> None:
    place, bundle = out / stage / f"seed_{seed}", out / "bundles" / _key(stage, seed)
    if bundle.is_dir():
        return
    say(f"packing {bundle.name}")
    network, recipe = open_checkpoint(place / "best.pt")
    history = json.loads((place / "history.json").read_text())
    best = max(history, key=lambda epoch: epoch["accuracy"])["epoch"]
    part = TrainingSet(out / "part", name=recall(out)["data"])
    bundle.parent.mkdir(exist_ok=True)
    pack(
        TrainOptions((part,), bundle, recipe=f"{recipe.name}.toml", name=bundle.name),
        recipe,
        dataset,
        Fitted(network, history, best, 1.0),
        watch,
    )


def _open(out: Path, key: str) -> dict[str, Classifier]:
    bundle = open_bundle(out / "bundles" / key)
    return {p: Classifier(bundle, bundle.artifact("onnx", p), threads=1) for p in PRECISIONS}


def _answers(
    out: Path, key: str, opened: Mapping[str, Classifier], samples: list[Sample], watch: Watch
) -> dict[str, Logits]:
    """Its logits for the test pictures, by precision; kept beside the bundle."""
    found = {}
    for precision, classifier in opened.items():
        kept = out / "bundles" / f"{key}-{precision}.npy"
        if not kept.is_file():
            logits = logits_of(classifier, samples, watch=watch)
            with writing(kept) as temporary, temporary.open("wb") as file:
                np.save(file, logits)
        found[precision] = np.load(kept)
    return found


def _query(members: Sequence[Classifier], crop: Any) -> Callable[[], object]:
    """One picture through each of them, and the mean of what they say."""
    if len(members) == 1:
        return lambda: members[0].probabilities(crop)
    return lambda: mean_probabilities([m.logits(crop) for m in members], [1.0] * len(members), 1.0)


def _figures(said: Sequence[Mapping[str, Logits]], truth: Classes) -> dict[str, float]:
    """Accuracy of the float graphs and of int8, and mean recall of int8, of the members' mean probabilities."""
    by = {}
    for precision in PRECISIONS:
        mean = mean_probabilities([one[precision] for one in said], [1.0] * len(said), 1.0)
        by[precision] = report(np.log(np.maximum(mean, 1e-12)), truth, LABELS)
    return {
        "accuracy_float16": by["float16"]["accuracy"],
        "accuracy": by["int8"]["accuracy"],
        "mean_recall": by["int8"]["mean_recall"],
    }


def _mb(out: Path, plan: Variant) -> float:
    opened = [open_bundle(out / "bundles" / key) for key in plan.members]
    return sum(one.path(one.artifact("onnx", "int8")).stat().st_size for one in opened) / 1e6
