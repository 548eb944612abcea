"""Comparing two benchmark runs: how often noise is taken for a change, and what is said of rows that do not match."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fer_edge.benchmarks.report.bootstrap import block_length, ratio_intervals
from fer_edge.benchmarks.report.comparison import (
    FASTER,
    NOISE,
    NONE,
    SLOWER,
    as_dict,
    compare,
    differences,
    drift_of,
    text,
)
from fer_edge.benchmarks.results.metrics import latency_metrics
from fer_edge.benchmarks.results.results import ResultRow, Results, load_results, save_results
from fer_edge.errors import InputError


def latencies(seed: int, count: int = 1024, ms: float = 26.0, likeness: float = 0.5) -> list[int]:
    """Nanoseconds with a log-normal spread of 4 %, each correlated with the one before."""
    random = np.random.default_rng(seed)
    noise = random.normal(size=count)
    for i in range(1, count):
        noise[i] = likeness * noise[i - 1] + np.sqrt(1 - likeness**2) * noise[i]
    return [int(v) for v in ms * 1e6 * np.exp(0.04 * noise)]


def row(samples: list[int], device: str = "cpu", **more: Any) -> ResultRow:
    facts = {"model": "default", "size": 112, "scope": "model", "state": "measured", "precision": "int8", **more}
    return ResultRow(device=device, samples_ns=samples, figures=latency_metrics(samples), **facts)


def run(*rows: ResultRow, **more: Any) -> Results:
    facts = {"mode": "default", "rules": {"queries": 1024}, "environment": {"board": "PC"}, **more}
    return Results("0.1.0", "2026-01-01T00:00:00+00:00", rows=rows, **facts)


def test_the_same_distribution_is_within_noise() -> None:
    pairs = [(run(row(latencies(2 * s))), run(row(latencies(2 * s + 1)))) for s in range(50)]
    assert sum(compare(a, b)[0].verdict == NOISE for a, b in pairs) >= 44


def test_a_tenth_slower_is_seen_and_so_is_the_way_back() -> None:
    for seed in range(10):
        a, b = run(row(latencies(seed))), run(row(latencies(100 + seed, ms=28.6)))
        slower, faster = compare(a, b)[0], compare(b, a)[0]
        assert (slower.verdict, faster.verdict) == (SLOWER, FASTER)
        for interval in (slower.medians_interval, slower.means_interval):
            assert interval is not None
            assert 1.08 < interval[0] < interval[1] < 1.12
        assert slower.medians == pytest.approx(1.1, abs=0.015)
        assert slower.said == f"slower by {100 * (slower.medians - 1):.1f} %"
        assert faster.medians == pytest.approx(1 / slower.medians)


@pytest.mark.parametrize(("likeness", "least"), [(0.0, 34), (0.9, 30)])
def test_intervals_hold_the_truth_although_latencies_are_correlated(likeness: float, least: int) -> None:
    """Of 40; 38 would be exact. Drawing single latencies instead of blocks holds 21 at 0.9."""
    held = 0
    for seed in range(40):
        a, b = (latencies(1000 * k + seed, likeness=likeness) for k in (1, 2))
        low, high = ratio_intervals(a, b, seed)[0]
        held += low <= 1 <= high
    assert held >= least


def test_blocks_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = latencies(1, likeness=0.9), latencies(2, likeness=0.9)
    low, high = ratio_intervals(a, b)[0]
    monkeypatch.setattr("fer_edge.benchmarks.report.bootstrap.block_length", lambda count: 1)
    single_low, single_high = ratio_intervals(a, b)[0]
    assert high - low > 2 * (single_high - single_low)


def test_block_lengths() -> None:
    assert [block_length(n) for n in (0, 1, 2, 4, 1024, 1025)] == [1, 1, 2, 2, 32, 33]
    for count in (1, 2, 3, 31):
        (low, high), _ = ratio_intervals([5] * count, [10] * count)
        assert (low, high) == (2.0, 2.0)
    for bad in ([], [5, 0]):
        with pytest.raises(ValueError, match="a run needs samples"):
            ratio_intervals(bad, [5])


def test_a_long_run_is_thinned_without_bias_and_the_answer_is_always_the_same() -> None:
    random = np.random.default_rng(3)
    long = [int(v) for v in random.normal(20e6, 1e6, 30_000)]
    periodic = [v + (8_000_000 if i % 4 == 0 else 0) for i, v in enumerate(long)]  # a detector at each fourth frame
    once = ratio_intervals(long, periodic)
    assert once == ratio_intervals(long, periodic)
    (_, _), (low, high) = once
    assert low < 1.1 < high
    assert high - low < 0.02


def test_a_difference_no_larger_than_the_drift_inside_a_run_is_noise() -> None:
    steady = latencies(1)
    warming = [int(v * f) for v, f in zip(latencies(2), np.linspace(0.98, 1.22, 1024), strict=True)]
    found = compare(run(row(steady)), run(row(warming)))[0]
    assert drift_of(row(warming)) > 1.1
    assert found.medians is not None
    assert found.medians_interval is not None
    assert found.medians_interval[0] > 1.03
    assert found.verdict == NOISE
    assert found.notes[0].startswith("the halves of one run differ by as much")
    slow = compare(run(row(steady)), run(row([2 * v for v in warming])))[0]
    assert slow.verdict == SLOWER


def test_few_queries_and_a_clock_too_coarse_give_no_verdict() -> None:
    few = compare(run(row(latencies(1, count=29))), run(row(latencies(2))))[0]
    assert (few.verdict, few.medians, few.notes[0]) == (NONE, None, "29 queries: too few, 30 are needed")
    coarse = compare(run(row([0, 1000] * 20)), run(row(latencies(2))))[0]
    assert coarse.notes[0].startswith("a latency is 0")


def test_what_makes_a_pair_doubtful_is_said() -> None:
    a = row(latencies(1), sha256="a" * 64, warnings=("the governor is powersave",))
    b = row(latencies(2), sha256="b" * 64, degraded=True)
    notes = compare(run(a), run(b))[0].notes
    assert "B is marked DEGRADED" in notes
    assert f"the artifacts differ: {'a' * 12} in A, {'b' * 12} in B" in notes
    assert "A: the governor is powersave" in notes
    assert compare(run(a), run(replace(a)))[0].notes == ["A: the governor is powersave", "B: the governor is powersave"]


def test_unmatched_rows_are_listed_with_the_reason() -> None:
    absent = ResultRow("ncs2", "default", 112, "model", "absent", reason="no stick")
    a = run(
        row(latencies(1)), row(latencies(2), "coral"), row(latencies(3), "ncs2"), row(latencies(4), "rpi5", size=64)
    )
    b = run(row(latencies(5)), row(latencies(6), "rpi5", size=224), absent, row(latencies(7), "jetson"))
    found = compare(a, b)
    assert [(c.row.split()[0], c.verdict) for c in found[1:]] == [
        ("coral", NONE),
        ("ncs2", NONE),
        ("rpi5", NONE),
        ("rpi5", NONE),
        ("jetson", NONE),
    ]
    assert [c.notes[0] for c in found[1:]] == [
        "only in A; B has no such row",
        "only in A; in B it is absent: no stick",
        "only in A; B has rpi5 default 224 px int8 model instead",
        "only in B; A has rpi5 default 64 px int8 model instead",
        "only in B; A has no such row",
    ]


def test_a_row_measured_twice_is_paired_in_order() -> None:
    a = run(row(latencies(1)), row(latencies(2, ms=52.0)))
    found = compare(a, run(row(latencies(3)), row(latencies(4, ms=52.0))))
    assert [c.medians for c in found] == pytest.approx([1, 1], abs=0.02)


def test_nothing_in_common() -> None:
    with pytest.raises(InputError, match="no measured row in common") as error:
        compare(run(row(latencies(1))), run(row(latencies(1), model="resnet50")))
    assert "B has cpu resnet50 112 px int8 model" in error.value.cause
    with pytest.raises(InputError, match="no measured row in common"):
        compare(run(), run())


def test_runs_of_different_schemas(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    save_results(file, replace(run(row(latencies(1))), schema=99))
    with pytest.raises(InputError, match="schema 99"):
        load_results(file)


def test_the_surroundings_that_differ_are_listed() -> None:
    a = run(row(latencies(1)), environment={"board": "PC", "libraries": {"numpy": "1", "onnxruntime": "2"}})
    b = run(row(latencies(2)), environment={"board": "Pi", "libraries": {"numpy": "1"}}, mode="quick")
    b = replace(b, complete=False, ended="interrupted")
    assert differences(a, b) == [
        "mode: default in A, quick in B",
        "board: PC in A, Pi in B",
        "libraries.onnxruntime: 2 in A, not known in B",
        "B is not complete: interrupted",
    ]
    assert differences(a, a) == []


def test_both_ways_to_show_it() -> None:
    a, b = run(row(latencies(1))), run(row(latencies(2, ms=28.6)), row(latencies(3), "coral"), mode="quick")
    found, different = compare(a, b), differences(a, b)
    shown = text(found, different)
    assert "cpu default 112 px int8 model: slower by " in shown
    assert "differs: mode: default in A, quick in B" in shown
    assert "note: only in B; A has no such row" in shown
    data = json.loads(json.dumps(as_dict(found, different)))
    assert data["rows"][0]["verdict"] == SLOWER
    assert data["rows"][0]["medians_interval"][0] > 1.05
    assert data["rows"][1]["medians"] is None
