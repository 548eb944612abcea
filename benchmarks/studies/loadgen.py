"""Our figures held against MLPerf's own LoadGen: `python -m fer_edge.benchmarks.studies.loadgen`.

LoadGen drives the same opened session by its SingleStream rules. Once with our clock inside, so that both see the same
queries and only the bookkeeping differs; and in rounds taking turns with our own loop, as a measurement would be.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np

from ...bundle import default_bundle, open_bundle
from ...errors import DeviceFailed, MissingExtra
from ...runtime.inference.acceptance import golden_crops
from ...runtime.inference.classifier import Classifier, choose_artifact
from ..measure.singlestream import Query, Rules, measure, warm_up
from ..results.metrics import latency_metrics
from .spread import Spread

COMPARED = ("mean_ms", "p50_ms", "p90_ms")
SUMMARY = {
    "mean_ms": r"Mean latency \(ns\)\s*:\s*(\d+)",
    "p50_ms": r"50\.00 percentile latency \(ns\)\s*:\s*(\d+)",
    "p90_ms": r"90\.00 percentile latency \(ns\)\s*:\s*(\d+)",
}
"""Lines of LoadGen's mlperf_log_summary.txt."""


def drive(query: Query, queries: int, seconds: float) -> dict[str, float]:
    """Let LoadGen run SingleStream over a query: its own mean_ms, p50_ms and p90_ms.

    Raises MissingExtra: there is no LoadGen here; DeviceFailed: it gave no summary, or a query raised.
    """
    try:
        import mlperf_loadgen as lg
    except ImportError:
        raise MissingExtra("mlcommons-loadgen", "dev") from None
    done, failures = [0], list[Exception]()

    def issue(samples: Any) -> None:
        for sample in samples:
            try:
                query(done[0])
            except Exception as error:  # a C++ thread called us: an exception must not pass through it
                failures.append(error)
            done[0] += 1
            lg.QuerySamplesComplete([lg.QuerySampleResponse(sample.id, 0, 0)])

    settings = lg.TestSettings()
    settings.scenario, settings.mode = lg.TestScenario.SingleStream, lg.TestMode.PerformanceOnly
    settings.min_query_count, settings.min_duration_ms = queries, int(1000 * seconds)
    with tempfile.TemporaryDirectory() as folder:
        log = lg.LogSettings()
        log.log_output.outdir, log.log_output.copy_summary_to_stdout = folder, False
        sut = lg.ConstructSUT(issue, _nothing)
        qsl = lg.ConstructQSL(1, 1, _nothing, _nothing)
        lg.StartTestWithLogSettings(sut, qsl, settings, log)
        lg.DestroyQSL(qsl)
        lg.DestroySUT(sut)
        summary = (Path(folder) / "mlperf_log_summary.txt").read_text()
    if failures:
        raise DeviceFailed(f"a query failed under LoadGen: {failures[0]}") from failures[0]
    return read_summary(summary)


def read_summary(text: str) -> dict[str, float]:
    """COMPARED of a LoadGen summary, in milliseconds; raises DeviceFailed when they are not there."""
    found = {name: re.search(SUMMARY[name], text) for name in COMPARED}
    if not all(found.values()):
        raise DeviceFailed("LoadGen left no latencies", cause="its run ended early", hint="the same command once more")
    return {name: int(match.group(1)) / 1e6 for name, match in found.items() if match}


def same_queries(query: Query, queries: int, seconds: float) -> dict[str, float]:
    """Ours over LoadGen's, for each of COMPARED, both timing the very same queries."""
    samples: list[int] = []

    def timed(number: int) -> None:
        start = perf_counter_ns()
        query(number)
        samples.append(perf_counter_ns() - start)

    theirs = drive(timed, queries, seconds)
    ours = latency_metrics(samples)
    return {name: ours[name] / theirs[name] for name in COMPARED}


def taking_turns(query: Query, rounds: int, rules: Rules) -> dict[str, Spread]:
    """Ours over LoadGen's in separate rounds, each way first in every second one."""
    ratios: dict[str, list[float]] = {name: [] for name in COMPARED}
    for number in range(rounds):
        found: dict[str, dict[str, float]] = {}
        ways: list[tuple[str, Callable[[], dict[str, float]]]] = [
            ("ours", lambda: _ours(query, rules)),
            ("theirs", lambda: drive(query, rules.queries, rules.seconds)),
        ]
        for name, way in ways[:: 1 if number % 2 else -1]:
            found[name] = way()
        for name in COMPARED:
            ratios[name].append(found["ours"][name] / found["theirs"][name])
    return {name: Spread.of(values) for name, values in ratios.items()}


def overhead(query: Query, rounds: int, count: int) -> Spread:
    """Time of a query inside our loop over that in a bare one, whole loops timed from outside."""
    ratios = []
    for number in range(rounds):
        spent = {}
        for way in ("bare", "ours")[:: 1 if number % 2 else -1]:
            start = perf_counter_ns()
            if way == "bare":
                for i in range(count):
                    query(i)
            else:
                measure(query, Rules("", count, 0.0), [])
            spent[way] = perf_counter_ns() - start
        ratios.append(spent["ours"] / spent["bare"])
    return Spread.of(ratios)


def default_query() -> tuple[Query, Callable[[], None]]:
    """One inference of the default bundle on one thread, and what closes it."""
    bundle = open_bundle(default_bundle())
    classifier = Classifier(bundle, choose_artifact(bundle), threads=1)
    crops = golden_crops(classifier.size)
    return lambda i: classifier.logits(crops[i % len(crops)][None]), classifier.close


def report(seconds: float, rounds: int) -> str:
    """Measure, and say it in Markdown."""
    query, close = default_query()
    try:
        warm_up(query)
        same = same_queries(query, 1024, seconds)
        turns = taking_turns(query, rounds, Rules("", 200, seconds / 2))
        extra = overhead(query, rounds, 300)
    finally:
        close()
    rows = [f"| {name[:-3]} | {same[name]:.4f} | {turns[name].told('.3f')} |" for name in COMPARED]
    table = "\n".join(["| figure | same queries | taking turns |", "|---|---|---|", *rows])
    return f"{table}\n\nA query in our loop takes {extra.told('.3f')} times that in a bare one."


def _ours(query: Query, rules: Rules) -> dict[str, float]:
    samples: list[int] = []
    measure(query, rules, samples)
    return latency_metrics(np.array(samples))


def _nothing(*_: object) -> None:
    return


def main(argv: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m fer_edge.benchmarks.studies.loadgen", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=7)
    args: Any = parser.parse_args(argv)
    print(report(args.seconds, args.rounds))


if __name__ == "__main__":
    main()
