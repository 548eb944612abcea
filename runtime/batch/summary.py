"""What a batch has come to: a file for programs and a table for people, the same whoever worked on it."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...files import write_text, writing
from .record import DONE, PARTIAL, SET_ASIDE, Record, records

SUMMARY, TABLE = "summary.json", "files.csv"
_COLUMNS = (
    "key", "source", "subject", "condition", "state", "fault", "frames", "faces", "people", "seconds",
    "without_face_s", "face_seconds",
)  # fmt: skip


@dataclass(frozen=True)
class Figures:
    """Of some films together.

    Attributes:
        films: how many.
        frames, faces: counts; the same face counts in every frame.
        seconds: of all films.
        without_face: share 0..1 of these without any face.
        expressions: share 0..1 of the faces' time with each label, the longest first; a long film counts for more.
    """

    films: int
    frames: int
    faces: int
    seconds: float
    without_face: float
    expressions: dict[str, float]


@dataclass(frozen=True)
class Named:
    """A file that is not as the others, and why."""

    source: str
    fault: str


@dataclass(frozen=True)
class BatchSummary:
    """What lies in a batch's folder.

    Attributes:
        files: that had their turn.
        partial: films that broke off; what came before is among the figures.
        set_aside: files of which nothing is kept.
        copies: sources of the same contents, which count as often as they are there.
        all: figures of all films; conditions: of the films of each condition, where there are some.
    """

    files: int
    partial: tuple[Named, ...]
    set_aside: tuple[Named, ...]
    copies: tuple[tuple[str, ...], ...]
    all: Figures
    conditions: dict[str, Figures]

    def as_mapping(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


def summarise(out: Path) -> BatchSummary:
    """Read every record of a batch's folder, and write summary.json and files.csv; raises InputError, OutputError."""
    kept = sorted(records(out), key=lambda record: (record.source, record.key))
    films = [record for record in kept if record.state != SET_ASIDE]
    by_condition: defaultdict[str, list[Record]] = defaultdict(list)
    by_contents: defaultdict[str, list[str]] = defaultdict(list)
    for film in films:
        by_condition[film.condition].append(film)
        by_contents[film.sha256].append(film.source)
    told = any(by_condition)
    summary = BatchSummary(
        len(kept),
        tuple(Named(r.source, r.fault) for r in kept if r.state == PARTIAL),
        tuple(Named(r.source, r.fault) for r in kept if r.state == SET_ASIDE),
        tuple(sorted(tuple(same) for same in by_contents.values() if len(same) > 1)),
        figures(films),
        {name: figures(of) for name, of in sorted(by_condition.items())} if told else {},
    )
    write_text(out / SUMMARY, json.dumps(summary.as_mapping(), indent=1) + "\n")
    _write_table(out / TABLE, kept)
    return summary


def figures(films: Sequence[Record]) -> Figures:
    """Those of some films together."""
    seconds, without = sum(f.seconds for f in films), sum(f.without_face_s for f in films)
    together = sum(f.face_seconds for f in films)
    times: defaultdict[str, float] = defaultdict(float)
    for film in films:
        for label, shown_s in film.expressions.items():
            times[label] += shown_s
    longest = sorted(times.items(), key=lambda kv: (-kv[1], kv[0]))
    return Figures(
        len(films),
        sum(f.frames for f in films),
        sum(f.faces for f in films),
        round(seconds, 3),
        round(without / seconds, 6) if seconds else 0.0,
        {label: round(shown_s / together, 6) for label, shown_s in longest if shown_s},
    )


def _write_table(path: Path, kept: Iterable[Record]) -> None:
    """One row a file; of each label how many seconds it was shown."""
    rows = list(kept)
    labels = sorted({label for record in rows for label in record.expressions})
    with writing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow([*("session" if name == "key" else name for name in _COLUMNS), *(f"s_{n}" for n in labels)])
        for record in rows:
            shown_s = [
                record.expressions.get(label, 0.0 if record.state in (DONE, PARTIAL) else "") for label in labels
            ]
            table.writerow([*(getattr(record, name) for name in _COLUMNS), *shown_s])
