"""How often rules tell of what did not happen, and whether they tell of what did: on clips, each played for an hour.

`python -m fer_edge.benchmarks.studies.rule_alarms HOURS CLIP...`. Each clip is seen once, by the kiosk's own pipeline;
what it showed is repeated, forwards and backwards in turns so that nobody jumps, for so many hours of the rules'
clock. Repeating makes chance no larger: a clip's figure says whether a rule tells on this clip, not on others like it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...bundle import Bundle, open_bundle
from ...runtime.build import PipelineOptions, build_pipeline
from ...runtime.rules.rule import Rule
from ...runtime.rules.watch import RuleWatch
from ...runtime.sources import open_source
from ...runtime.status.snapshot import Aggregate

INFER_EVERY_S = 0.1
"""As a kiosk's `work.infer_fps` is by default."""
FOR_S = (0.5, 1.0, 2.0, 5.0, 10.0)
COOL_DOWN_S = 60.0
"""So at most one alarm a minute is counted."""


@dataclass(frozen=True)
class Seen:
    """What a clip showed: at each frame's time what each face showed, and how long it lasts."""

    moments: Sequence[tuple[float, Mapping[int, str]]]
    seconds: float


def see(bundle: Bundle, clip: Path) -> Seen:
    """Run the pipeline once, as a kiosk with a least group of one would."""
    built = build_pipeline(PipelineOptions(bundle=bundle, threads=1, detector="yunet", infer_every_s=INFER_EVERY_S))
    aggregate, moments = Aggregate(1), []
    for frame in open_source(str(clip)):
        aggregate.update(frame.time_s, built.pipeline.process(frame))
        moments.append((frame.time_s, aggregate.readable()))
    built.classifier.close()
    return Seen(moments, moments[-1][0] + (moments[-1][0] - moments[0][0]) / max(len(moments) - 1, 1))


def repeated(seen: Seen, hours: float) -> Iterator[tuple[float, Mapping[int, str]]]:
    """The same for so long, forwards and backwards in turns."""
    for turn in range(int(3600 * hours / seen.seconds) + 1):
        begin_s, last_s = turn * seen.seconds, seen.moments[-1][0]
        for at_s, faces in seen.moments if turn % 2 == 0 else reversed(seen.moments):
            yield begin_s + (at_s if turn % 2 == 0 else last_s - at_s), faces


def alarms(seen: Seen, hours: float, labels: Sequence[str]) -> dict[tuple[str, float], int]:
    """(label, for_s) -> how often its rule tells; the threshold is a half."""
    rules = [Rule("r", label, for_s=for_s, cool_down_s=COOL_DOWN_S) for label in labels for for_s in FOR_S]
    watches = [RuleWatch(rule, labels) for rule in rules]
    counts = {(rule.what, rule.for_s): 0 for rule in rules}
    for now_s, faces in repeated(seen, hours):
        for watch in watches:
            counts[watch.rule.what, watch.rule.for_s] += watch.see(now_s, faces, 1) is not None
    return counts


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m fer_edge.benchmarks.studies.rule_alarms", description=__doc__)
    parser.add_argument("hours", type=float)
    parser.add_argument("clips", nargs="+", type=Path)
    args = parser.parse_args(argv)
    bundle = open_bundle()
    print(f"| clip, s | rule on | {' | '.join(f'{s:g} s' for s in FOR_S)} |\n|---|---|{'---|' * len(FOR_S)}")
    for clip in args.clips:
        seen = see(bundle, clip)
        found = alarms(seen, args.hours, bundle.labels)
        for label in bundle.labels:
            row = [found[label, for_s] / args.hours for for_s in FOR_S]
            if any(row):
                print(f"| {clip.stem}, {seen.seconds:.1f} | {label} | {' | '.join(f'{n:.1f}' for n in row)} |")
        never = [label for label in bundle.labels if not any(found[label, s] for s in FOR_S)]
        print(f"| {clip.stem}, {seen.seconds:.1f} | {', '.join(never)} | {' | '.join('0' for _ in FOR_S)} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
