"""What a benchmark leaves: one row a measurement, in a results file of a stated schema."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ...bundle import write_text
from ...errors import FerEdgeError, InputError
from .validation import validate

SCHEMA = 1
"""Layout of results.json; `results.schema.json` beside this file describes it for other programs."""
MEASURED, PARTIAL, ABSENT, FAILED = "measured", "partial", "absent", "failed"


@dataclass(frozen=True)
class ResultRow:
    """One device, model and scope.

    Attributes:
        device, title: the profile's name and title.
        model, size: name of the model, and pixels of its input's side.
        precision, artifact, sha256: what ran; empty where nothing did.
        scope: `model`, inference with its copies; `pipeline`, a clip from capture to publishing.
        state: measured, partial (interrupted), absent (no device, library or artifact), failed (while running).
        reason, hint: for the last three, what was wrong and the command to try.
        price_usd, price_year: of the device; 0 where unknown.
        backend: what describe() said after the run: library versions, device, settings.
        degraded, simulated: the processor stood in, or a vendor's simulator did the work.
        warmup: `queries` before the measurement, and whether the times had `settled`.
        first_ms: from opening the backend to its first answer; None where not measured.
        samples_ns: every raw sample, in order, in nanoseconds.
        figures: queries, seconds, mean_ms, p50_ms, p90_ms, p95_ms, p99_ms, min_ms, max_ms, std_ms, fps.
        stages: for the pipeline, stage -> mean_ms, p50_ms, p90_ms.
        camera: for the pipeline, `fps` of the clip and share `dropped` when frames come at that rate.
        peak_mib: highest resident memory of our process and the worker's.
        board: before -> and after -> temperature_c, throttled, load …, as far as the board tells.
        accuracy: set, images, accuracy, mean_recall, and `points` against the float32 graph, 100 x share.
        published: the published figure for the same device and model, with `ratio` and `verdict`.
        estimate: `mean_ms` by `tool`, never a measurement.
        warnings: what makes the figures doubtful.
    """

    device: str
    model: str
    size: int
    scope: str
    state: str
    title: str = ""
    precision: str = ""
    artifact: str = ""
    sha256: str = ""
    reason: str = ""
    hint: str = ""
    price_usd: int = 0
    price_year: int = 0
    backend: Mapping[str, Any] = field(default_factory=dict)
    degraded: bool = False
    simulated: bool = False
    warmup: Mapping[str, Any] = field(default_factory=dict)
    first_ms: float | None = None
    samples_ns: Sequence[int] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    stages: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    camera: Mapping[str, float] = field(default_factory=dict)
    peak_mib: float | None = None
    board: Mapping[str, Any] = field(default_factory=dict)
    accuracy: Mapping[str, Any] = field(default_factory=dict)
    published: Mapping[str, Any] = field(default_factory=dict)
    estimate: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()

    @property
    def key(self) -> tuple[str, str, int, str, str]:
        """What makes two rows comparable: device, model, input size, precision, scope."""
        return self.device, self.model, self.size, self.precision, self.scope


@dataclass(frozen=True)
class Results:
    """A whole run.

    Attributes:
        started: UTC, ISO 8601; `clock` says whether the board's clock was synchronised.
        mode: quick, default or strict; `rules` holds the least queries and seconds.
        complete: false when the run was interrupted or its folder filled up; `ended` says which.
        environment: board, processor, governor, memory, library versions.
    """

    fer_edge: str
    started: str
    mode: str
    rules: Mapping[str, float]
    environment: Mapping[str, Any]
    rows: Sequence[ResultRow]
    complete: bool = True
    ended: str = "done"
    schema: int = SCHEMA


def reason_of(error: FerEdgeError) -> str:
    """Why something was not measured, as a row says it."""
    return f"{error.message} ({error.cause})" if error.cause else error.message


def save_results(path: Path, results: Results) -> None:
    """Write results.json in one step; raises OutputError."""
    write_text(path, json.dumps(asdict(results)) + "\n")


def load_results(path: Path) -> Results:
    """Read a results file, or the one inside a results folder.

    Raises InputError: unreadable, of another schema, or not what the schema says; the place is named.
    """
    file = path / "results.json" if path.is_dir() else path
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror})", hint="fer-edge benchmark --out DIR") from None
    except ValueError as error:
        raise InputError(f"{file} is no results file: {error}", cause="it was cut short, or is another file") from None
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SCHEMA:
        raise InputError(
            f"{file} has the schema {schema!r}, this version reads {SCHEMA}",
            cause="it was written by another version of fer-edge",
            hint="run both benchmarks with the same version",
        )
    validate(data, file)
    known = {f.name for f in fields(Results)}
    rows = tuple(ResultRow(**row) for row in data["rows"])
    return Results(**{**{k: v for k, v in data.items() if k in known}, "rows": rows})
