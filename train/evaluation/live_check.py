"""The guided live check of the thesis's Table 16: seven expressions, each subtle and at its peak, before a camera."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from ...bundle import LABELS, Bundle, open_bundle
from ...bundle.labels import common_names
from ...bundle.tables import read_table
from ...devices.cpu import limit_threads
from ...errors import DatasetError, SourceError, UsageError
from .live_ratings import LEVELS, Result, Take, in_order, summarise

TAKE_S = 4.0
"""How long an expression is held before the camera."""


@dataclass(frozen=True)
class LiveCheckOptions:
    """What to check on what.

    Attributes:
        source: a label file of clips, or a camera as camera:N or N.
        bundle, precision: the model; the bundle inside fer-edge when None.
        threads: processor threads.
        people: who take their turns before a camera; a label file names its own.
    """

    source: str
    bundle: Path | None = None
    precision: str = "auto"
    threads: int = 1
    people: int = 1


def live_check(options: LiveCheckOptions, before_take: Callable[[Take], object]) -> list[dict[str, object]]:
    """Go through every take; returns how each expression was found, with the published figures beside.

    Args:
        before_take: called before a camera's takes, and returns when the person shows it.

    Raises:
        UsageError: fewer than one person;
        DatasetError, SourceError, BundleError: label file, clip, camera or bundle cannot be used.
    """
    from ...runtime.sources.open import is_camera

    bundle = open_bundle(options.bundle)
    camera = is_camera(options.source)
    results = []
    if options.people < 1:
        raise UsageError("a live check needs at least one person", hint="the same command without --people")
    if options.people > 1 and not camera:
        raise UsageError(
            "--people is about a camera",
            cause="a label file tells people apart by its column subject",
            hint="the same command without --people",
        )
    takes = all_takes(bundle.labels, options.people) if camera else read_takes(Path(options.source), bundle.labels)
    for take in takes:
        if camera:
            before_take(take)
        results.append(_watch_take(options, bundle, take, options.source if camera else str(take.clip)))
    return summarise(results, bundle.labels)


def _watch_take(options: LiveCheckOptions, bundle: Bundle, take: Take, source_text: str) -> Result:
    """Run the default pipeline over one take and count what it showed."""
    from ...runtime.build import pipeline_around
    from ...runtime.inference.classifier import Classifier, choose_artifact
    from ...runtime.pipeline import run
    from ...runtime.sources import open_source

    limit_threads(options.threads)
    classifier = Classifier(bundle, choose_artifact(bundle, options.precision), options.threads)
    pipeline = pipeline_around(classifier)
    source = open_source(source_text)
    try:
        frames = takewhile(lambda f: f.time_s < TAKE_S, source) if source.live else source
        tally = run(frames, pipeline, [])
    finally:
        source.close()
    if not tally.frames:
        raise SourceError(f"{source.name} gave no picture")
    return Result(take, tally.faces, tally.labels.get(take.label, 0), pipeline.detector.name)


def all_takes(labels: Sequence[str] = LABELS, people: int = 1) -> list[Take]:
    """The takes of a guided session before a camera, fourteen a person for seven labels, as the model calls them."""
    everybody = [str(number) for number in range(1, people + 1)]
    return [Take(label, level, None, who) for who in everybody for label in in_order(labels) for level in LEVELS]


def read_takes(table: Path, labels: Sequence[str] = LABELS) -> list[Take]:
    """Takes of a label file: CSV with `file,expression,level` and, if several people, `subject`; files relative to it.

    Raises DatasetError: file or column missing, unknown label or level, with its line.
    """
    takes = []
    read = read_table(table, ("file", "expression", "level"))
    for line, row in read.rows:
        where = f"{table}, line {line}"
        (asked,) = common_names([row["expression"]])
        if asked not in common_names(labels):
            what = f"{where}: unknown label {row['expression']!r}"
            raise DatasetError(what, cause=f"the bundle's labels are: {', '.join(labels)}")
        if row["level"] not in LEVELS:
            raise DatasetError(f"{where}: the level is {row['level']!r}", cause="it must be subtle or peak")
        subject = row.get("subject", "1").strip()
        if not subject:
            raise DatasetError(f"{where}: the subject is empty", cause="each take is of one person, by number or name")
        takes.append(Take(_of_model(asked, labels), row["level"], table.parent / row["file"], subject))
    return takes


def _of_model(name: str, labels: Sequence[str]) -> str:
    """What a model calls the label of that common name."""
    return labels[common_names(labels).index(name)]
