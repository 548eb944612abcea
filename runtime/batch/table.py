"""A session as its part of the batch's data set: one Parquet file, in a folder that names the session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...files import writing
from ..storage.export import Columns, write_parquet
from ..storage.session import Session, open_session
from ..storage.session_tables import BOX
from .record import Record, observations_path

_SEEN = {
    "source": "string", "subject": "string", "condition": "string", "frame": "int64", "time_s": "float64",
    "track": "int64", "label": "string", "confidence": "float64", "raw_label": "string", "reason": "string",
    **dict.fromkeys(BOX, "float64"),
}  # fmt: skip


def columns(labels: tuple[str, ...]) -> Columns:
    """Name -> type of the data set's columns for a model with these labels."""
    return {**_SEEN, **{f"p_{label}": "float64" for label in labels}}


def write_observations(folder: Path, out: Path, record: Record) -> None:
    """Write the observations of the session in `folder`, one row each in the order in which they were made.

    Raises InputError, OutputError; MissingExtra: pyarrow is not installed.
    """
    session = open_session(folder)
    with writing(observations_path(out, record.key)) as temporary:
        write_parquet(temporary, columns(session.labels), _rows(session, record))


def _rows(session: Session, record: Record) -> Iterator[tuple[Any, ...]]:
    unread = (None,) * len(session.labels)
    for o in session.observations():
        yield (
            *(record.source, record.subject, record.condition),
            *(o.frame, o.time_s, o.track, o.label, o.confidence, o.raw_label, o.reason),
            *(*o.box, *(o.probabilities or unread)),
        )
