"""docs/benchmarks.md for the machine at hand, written by `make benchmark` from its results and one run beside them."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from ...bundle import default_bundle, open_bundle, write_text
from ...errors import FerEdgeError
from ...runtime.inference.acceptance import golden_crops
from ...runtime.inference.classifier import Classifier, choose_artifact
from ..report.markdown import markdown_table
from ..report.tables import about, tables_of, warnings_of, when
from ..results.results import Results, load_results
from . import ipc_overhead, loadgen, published_pipeline, start_and_memory
from .costs import curves, instructions
from .peers.compare import measure as measure_peers
from .peers.known import PEERS
from .peers.table import markdown as peers_markdown
from .spread import Spread, medians_in_turn, ratios

ROUNDS, CALLS = 9, 200


def page(results: Results, clip: Path, faces: Path, say: Callable[[str], None]) -> str:
    """The whole page; what cannot run here says why in its place.

    Args:
        results: of `fer-edge benchmark --matrix`.
        clip: a video with faces; faces: labelled ones, of which the split `test` is used.
    """
    parts = [_head(results), *_tables(results)]
    for title, section in (
        ("Our int8 model against float32", int8_against_float32),
        ("The whole pipeline against the published pipeline", lambda: _pipeline(clip)),
        ("What a pass of each stage executes", lambda: instructions.report(clip)),
        ("Time against faces and pixels", curves.report),
        ("Start and memory of `fer-edge run`", lambda: start_and_memory.report(str(clip))),
        ("Other packages on the same pictures", lambda: _peers(faces, say)),
        ("Our figures against MLPerf's LoadGen", lambda: loadgen.report(seconds=10, rounds=7)),
        ("Overhead of a worker process", _ipc_overhead),
    ):
        say(title)
        try:
            text = section()
        except FerEdgeError as error:
            text = f"Not measured here: {error.message}."
        parts += [f"## {title}", text]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def int8_against_float32() -> str:
    """The default bundle's two graphs in ONNX Runtime on one thread, at the same input, taking turns."""
    bundle = open_bundle(default_bundle())
    small, plain = Classifier(bundle, choose_artifact(bundle)), Classifier(bundle, bundle.reference)
    crops = golden_crops(small.size)
    ways: dict[str, Callable[[int], object]] = {
        "int8": lambda i: small.logits(crops[i % len(crops)][None]),
        "float32": lambda i: plain.logits(crops[i % len(crops)][None]),
    }
    medians = medians_in_turn(ways, ROUNDS, CALLS)
    small.close()
    plain.close()
    float32, int8 = (Spread.of(medians[name]).told() for name in ("float32", "int8"))
    times = ratios(medians["float32"], medians["int8"]).told()
    return f"""ONNX Runtime, one thread, {small.size} x {small.size} pixels, {ROUNDS} interleaved rounds of {CALLS}
calls: **int8 is {times} times as fast.** What it costs in accuracy is the column `points` above.

| graph | p50 ms, median (range over rounds) |
|---|---|
| float32 | {float32} |
| int8 | {int8} |"""


def _head(results: Results) -> str:
    said = "\n".join(f"- {name}: {value}" for name, value in about(results) if not name.startswith("rules"))
    doubts = "\n".join(f"- {w}" for w in warnings_of(results)) or "- none"
    return f"""# Benchmarks of one machine

Written by `make benchmark` on {when(results)}; do not edit. Timings are noisy: compare ratios within a section, which
come from interleaved rounds, never figures of two sections.

{said}

What makes figures doubtful:

{doubts}"""


def _tables(results: Results) -> list[str]:
    return [part for table in tables_of(results) for part in (f"## {table.title}", markdown_table(table))]


def _pipeline(clip: Path) -> str:
    return published_pipeline.markdown(published_pipeline.compare(clip, 7), clip.name)


def _peers(faces: Path, say: Callable[[str], None]) -> str:
    from ...bundle.dataset import read_dataset

    samples = [s for s in read_dataset(faces).split("test") if s.label is not None]
    return peers_markdown(measure_peers(PEERS, samples, say=say))


def _ipc_overhead() -> str:
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "small.onnx"
        ipc_overhead.small_graph(graph)
        table = ipc_overhead.table(ipc_overhead.compare(graph))
    return f"One crop of {ipc_overhead.SIDE} x {ipc_overhead.SIDE} pixels:\n\n{table}"


def main(argv: list[str] | None = None) -> None:
    """Measure what is missing and write the page."""
    parser = argparse.ArgumentParser(prog="python -m fer_edge.benchmarks.studies.machine_page", description=__doc__)
    parser.add_argument("--results", type=Path, required=True, metavar="DIR")
    parser.add_argument("--clip", type=Path, required=True, metavar="FILE")
    parser.add_argument("--faces", type=Path, required=True, metavar="DIR")
    parser.add_argument("--write", type=Path, required=True, metavar="PAGE")
    args = parser.parse_args(argv)
    text = page(
        load_results(args.results), args.clip, args.faces, lambda line: print(line, file=sys.stderr, flush=True)
    )
    write_text(args.write, text)


if __name__ == "__main__":
    main()
