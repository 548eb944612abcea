"""`fer-edge evaluate --live`: the guided check before a camera, or on clips that stand for it."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from ..errors import SourceError

if TYPE_CHECKING:
    from ..bundle import Bundle
    from ..train.evaluation.live_check import Result, Take

SECONDS = 4.0
"""How long an expression is held before the camera."""


def run_live(args: argparse.Namespace) -> int:
    """Go through every take and print how each expression was found, with the published figures beside."""
    from pathlib import Path

    from ..bundle import open_bundle, write_text
    from ..train.evaluation import live_check as live

    bundle = open_bundle(args.bundle)
    camera = args.live.startswith("camera:") or args.live.isdigit()
    takes = live.all_takes() if camera else live.read_takes(Path(args.live))
    results = []
    for take in takes:
        if camera:
            input(f"Show {take.label}, {take.level}; hold it for {SECONDS:.0f} s. Press Enter to begin: ")
        results.append(watch_take(args, bundle, take, args.live if camera else str(take.clip)))
    rows = live.summarise(results)
    if args.out:
        write_text(args.out / "live.json", json.dumps(rows, indent=1) + "\n")
    print(json.dumps(rows) if args.json else live.table(rows))
    return 0


def watch_take(args: argparse.Namespace, bundle: Bundle, take: Take, source_text: str) -> Result:
    """Run the default pipeline over one take and count what it showed."""
    from itertools import takewhile

    from ..runtime.build import pipeline_around
    from ..runtime.inference.classifier import Classifier, choose_artifact
    from ..runtime.pipeline import run
    from ..runtime.sources import open_source
    from ..train.evaluation.live_check import Result

    classifier = Classifier(bundle, choose_artifact(bundle, args.precision), args.threads)
    pipeline = pipeline_around(classifier)
    source = open_source(source_text)
    try:
        frames = takewhile(lambda f: f.time_s < SECONDS, source) if source.live else source
        tally = run(frames, pipeline, [])
    finally:
        source.close()
    if not tally.frames:
        raise SourceError(f"{source.name} gave no picture")
    return Result(take, tally.faces, tally.labels.get(take.label, 0))
