"""The guided live check of the thesis's Table 16: seven expressions, each subtle and at its peak, before a camera."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from ...bundle import LABELS, Bundle, open_bundle
from ...bundle.labels import common_names
from ...bundle.tables import read_table
from ...devices.cpu import limit_threads
from ...errors import DatasetError, SourceError

LEVELS = ("subtle", "peak")
TAKE_S = 4.0
"""How long an expression is held before the camera."""
GOOD, MODERATE = 0.7, 0.4
"""Shares of observations that showed the asked expression: from GOOD on Good, from MODERATE on Moderate, else Poor."""
PUBLISHED: dict[str, float] = {"angry": 0.07, "disgust": 0.29, "fear": 0.43}
"""What the thesis reached live; for the other expressions no figure is at hand."""


@dataclass(frozen=True)
class Take:
    """One thing to be shown: a clip of it, or what a person is asked to do."""

    label: str
    level: str
    clip: Path | None = None


@dataclass(frozen=True)
class Result:
    """What was seen in a take: how many observations, and how many of them showed the asked expression."""

    take: Take
    observations: int
    matching: int
    detector: str

    @property
    def share(self) -> float:
        """Matching share, 0..1; 0 when no face was seen."""
        return self.matching / self.observations if self.observations else 0.0


@dataclass(frozen=True)
class LiveCheckOptions:
    """What to check on what.

    Attributes:
        source: a label file of clips, or a camera as camera:N or N.
        bundle, precision: the model; the bundle inside fer-edge when None.
        threads: processor threads.
    """

    source: str
    bundle: Path | None = None
    precision: str = "auto"
    threads: int = 1


def live_check(options: LiveCheckOptions, before_take: Callable[[Take], object]) -> list[dict[str, object]]:
    """Go through every take; returns how each expression was found, with the published figures beside.

    Args:
        before_take: called before a camera's takes, and returns when the person shows it.

    Raises:
        DatasetError, SourceError, BundleError: label file, clip, camera or bundle cannot be used.
    """
    from ...runtime.sources.open import is_camera

    bundle = open_bundle(options.bundle)
    camera = is_camera(options.source)
    results = []
    for take in all_takes(bundle.labels) if camera else read_takes(Path(options.source), bundle.labels):
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


def all_takes(labels: Sequence[str] = LABELS) -> list[Take]:
    """The takes of a guided session before a camera, fourteen for seven labels, as the model calls them."""
    return [Take(label, level) for label in _in_order(labels) for level in LEVELS]


def _in_order(labels: Sequence[str]) -> list[str]:
    """A model's labels in the order of LABELS, its own behind."""
    known = common_names(labels)
    return sorted(labels, key=lambda label: [*LABELS, *known].index(known[labels.index(label)]))


def read_takes(table: Path, labels: Sequence[str] = LABELS) -> list[Take]:
    """Takes of a label file: CSV with `file,expression,level`, files relative to it.

    Raises DatasetError: file or column missing, unknown label or level, with its line.
    """
    takes = []
    for line, row in read_table(table, ("file", "expression", "level")).rows:
        where = f"{table}, line {line}"
        (asked,) = common_names([row["expression"]])
        if asked not in common_names(labels):
            what = f"{where}: unknown label {row['expression']!r}"
            raise DatasetError(what, cause=f"the bundle's labels are: {', '.join(labels)}")
        if row["level"] not in LEVELS:
            raise DatasetError(f"{where}: the level is {row['level']!r}", cause="it must be subtle or peak")
        takes.append(Take(_of_model(asked, labels), row["level"], table.parent / row["file"]))
    return takes


def _of_model(name: str, labels: Sequence[str]) -> str:
    """What a model calls the label of that common name."""
    return labels[common_names(labels).index(name)]


def rating(share: float) -> str:
    """Good, Moderate or Poor, by the rule above."""
    return "Good" if share >= GOOD else "Moderate" if share >= MODERATE else "Poor"


def summarise(results: Sequence[Result], labels: Sequence[str] = LABELS) -> list[dict[str, object]]:
    """One row an expression: share at each level and over all, rating, the published figure if any, detector."""
    rows: list[dict[str, object]] = []
    for label in _in_order(labels):
        mine = [r for r in results if r.take.label == label]
        if not mine:
            continue
        share = sum(r.share for r in mine) / len(mine)
        row: dict[str, object] = {"expression": label}
        for level in LEVELS:
            shares = [r.share for r in mine if r.take.level == level]
            row[level] = sum(shares) / len(shares) if shares else None
        row |= {"share": share, "rating": rating(share), "published": PUBLISHED.get(common_names([label])[0])}
        rows.append({**row, "detector": ", ".join(sorted({r.detector for r in mine}))})
    return rows


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """The rows as lines of text, with the rule below them."""

    def cell(value: object) -> str:
        return f"{value:9.0%}" if isinstance(value, float) else f"{'-':>9}"

    lines = [f"{'expression':10} {'subtle':>9} {'peak':>9} {'both':>9}  {'rating':9} {'published':>9}"]
    for r in rows:
        shares = " ".join(cell(r[k]) for k in ("subtle", "peak", "share"))
        lines.append(f"{r['expression']:10} {shares}  {r['rating']:9} {cell(r['published'])}")
    lines += [f"Faces found by {name}." for name in sorted({str(r["detector"]) for r in rows})]
    return "\n".join([*lines, f"Good from {GOOD:.0%} of observations on, Moderate from {MODERATE:.0%}, else Poor."])
