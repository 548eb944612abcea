"""`fer-edge batch`: an archive of videos."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..words import counted
from .main import interrupted
from .output import watch
from .run import add_pipeline, pipeline_options

if TYPE_CHECKING:
    from ..runtime.batch.run import BatchResult
    from ..runtime.batch.summary import Figures, Named

SHOWN = 20
"""Lines about files that are not as the others; the rest are in files.csv."""
PIPELINE = (
    "bundle", "device", "fallback", "precision", "detector", "detect_width", "smoother", "quality_gate", "threads",
)  # fmt: skip
"""Options of `add_pipeline`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `batch`."""
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help=_SOURCE)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the batch's folder, new or its own")
    parser.add_argument("--engine", choices=("local", "ray"), default="local", help=_ENGINE)
    parser.add_argument(
        "--address", metavar="ray://HOST:10001|auto", help="of the Ray cluster (default: one of its own)"
    )
    parser.add_argument("--workers", type=int, metavar="N", help="how many work at once (default: one a core)")
    parser.add_argument("--segment", type=float, metavar="SECONDS", help=_SEGMENT)
    parser.add_argument("--retry", action="store_true", help="try again what was set aside earlier")
    add_pipeline(parser, threads="one a worker")


_ENGINE = "local: processes of this machine (default); ray: workers of a Ray cluster"
_SEGMENT = "divide films that are longer, for several workers; the result is the same (default: none is divided)"
_SOURCE = (
    "a folder (its videos, at any depth), a video, 'archive/**/*.mp4', a URL as s3://bucket/films/*.mp4, or a .csv "
    "with the column path, and perhaps subject and condition"
)


def run(args: argparse.Namespace) -> int:
    """Analyse what has not been analysed, and say what the whole has come to."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy is loaded: see devices/cpu.py
    from ..runtime.batch.run import BatchOptions, run_batch

    pipeline = pipeline_options(**{name: getattr(args, name) for name in PIPELINE})
    work = (args.engine, args.address, args.workers, args.retry)
    options = BatchOptions(tuple(args.sources), args.out, *work, pipeline, args.segment)
    result = run_batch(
        options, lambda line: print(line, file=sys.stderr, flush=True), lambda loop, total: watch(loop, total, "films")
    )
    print(json.dumps(as_json(result)) if args.json else as_text(result, args.out))
    if result.interrupted:
        return interrupted()
    return 1 if result.summary.set_aside or result.summary.partial else 0


def as_json(result: BatchResult) -> dict[str, Any]:
    """A result as the object that `--json` prints."""
    return {
        **result.summary.as_mapping(),
        "analysed": result.analysed,
        "earlier": result.earlier,
        "workers": result.workers,
        "interrupted": result.interrupted,
        "seconds": result.seconds,
    }


def as_text(result: BatchResult, out: Path) -> str:
    """A result for people."""
    summary = result.summary
    by = f" by {counted(result.workers, 'worker')}" if result.workers else ""
    lines = [
        f"{counted(result.analysed, 'file')}{by} in {result.seconds:.1f} s; {counted(summary.files, 'file')} in all",
        *_figures("films", summary.all),
        *(line for name, of in summary.conditions.items() for line in _figures(name or "no condition", of)),
        *_named("broke off", summary.partial),
        *_named("set aside", summary.set_aside),
        *(f"the same file: {', '.join(same)}" for same in summary.copies[:SHOWN]),
        f"data set:    {out / 'observations'}",
        f"files:       {out / 'files.csv'}",
        f"summary:     {out / 'summary.json'}",
    ]
    if result.interrupted:
        lines.insert(1, "interrupted; the same command goes on where this one was ended")
    return "\n".join(lines)


def _figures(name: str, of: Figures) -> list[str]:
    shown = ", ".join(f"{label} {share:.0%}" for label, share in of.expressions.items()) or "no face was seen"
    begin = f"{name + ':':12} {counted(of.films, 'film')}, {counted(of.frames, 'frame')}, {of.seconds:,.1f} s"
    return [f"{begin}; no face in {of.without_face:.0%} of the time", f"{'':12} {shown}"]


def _named(what: str, files: tuple[Named, ...]) -> list[str]:
    more = len(files) - SHOWN
    told = (f.fault if f.source in f.fault else f"{f.source}: {f.fault}" for f in files[:SHOWN])
    lines = [f"{what + ':':12} {line}" for line in told]
    return lines + ([f"{'':12} and {counted(more, 'file')} more: see files.csv"] if more > 0 else [])
