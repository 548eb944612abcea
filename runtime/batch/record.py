"""What is kept of each file of a batch beside its session: whose it is, what was seen, or why it was set aside."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal

from ...errors import InputError
from ...files import write_text
from .batch_file import BatchFile

DONE: Final = "done"
PARTIAL: Final = "partial"
SET_ASIDE: Final = "set aside"
State = Literal["done", "partial", "set aside"]


@dataclass(frozen=True)
class Record:
    """One file's.

    Attributes:
        key, source, subject, condition, version: as BatchFile; the source as it is shown.
        state: `done`; `partial`: it broke off, and what came before is kept; `set aside`: nothing of it is kept.
        fault, cause, hint: why it is not `done`.
        sha256, bytes: of the file's contents; "" and 0 of one that was set aside.
        frames, faces, people: as of `fer-edge run`.
        seconds: of the film, and of these without a face.
        face_seconds: of each face together, so that two faces in a second are two.
        expressions: label -> seconds of `face_seconds`.
        unsuitable: reason -> how often a face was not read.
        skipped: a line about damaged pictures.
        segments: of how many it was put together; 0: it was analysed as a whole.
        looked_again: pictures that were looked at once more for that.
        undivided: why a film that is long enough was analysed as a whole.
        took_s: seconds that it took; of no table, because it is another each time.
    """

    key: str
    source: str
    subject: str
    condition: str
    version: str
    state: State = DONE
    fault: str = ""
    cause: str = ""
    hint: str = ""
    sha256: str = ""
    bytes: int = 0
    frames: int = 0
    faces: int = 0
    people: int = 0
    seconds: float = 0.0
    without_face_s: float = 0.0
    face_seconds: float = 0.0
    expressions: Mapping[str, float] = field(default_factory=dict)
    unsuitable: Mapping[str, int] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    segments: int = 0
    looked_again: int = 0
    undivided: str = ""
    took_s: float = 0.0

    def is_of(self, file: BatchFile) -> bool:
        """Whether it is of that very file, unchanged, and of what is said of it."""
        own = (self.key, self.subject, self.condition, self.version)
        return own == (file.key, file.subject, file.condition, file.version)


def record_of(file: BatchFile, **seen: Any) -> Record:
    """A file's record with what was seen of it."""
    return Record(file.key, file.shown, file.subject, file.condition, file.version, **seen)


def session_folder(out: Path, key: str) -> Path:
    """Where a file's session lies, which is there when it is finished and not before."""
    return out / "sessions" / key


def segments_folder(out: Path, key: str) -> Path:
    """Where the finished segments of a film lie that is not finished."""
    return out / "segments" / key


def observations_path(out: Path, key: str) -> Path:
    """Where a file's part of the data set lies."""
    return out / "observations" / f"session={key}" / "observations.parquet"


def set_aside_path(out: Path, key: str) -> Path:
    """Where it is told why a file was set aside."""
    return out / "set-aside" / f"{key}.json"


def write_record(path: Path, record: Record) -> None:
    """Write one; raises OutputError."""
    write_text(path, json.dumps(asdict(record), indent=1) + "\n")


def read_record(path: Path) -> Record | None:
    """Read one; None where there is none. Raises InputError for what is none."""
    try:
        told = json.loads(path.read_bytes())
        known = {f.name for f in fields(Record)}
        return Record(**{**{k: v for k, v in told.items() if k in known}, "skipped": tuple(told["skipped"])})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{path} cannot be read: {error}",
            cause="another program changed it, or the disk lost it",
            hint=f"rm -r {path.parent if path.name == RECORD else path}",
        ) from None


RECORD = "record.json"
"""In the session's folder."""


def kept_record(out: Path, key: str) -> Record | None:
    """What is kept of a file: that of its session, else that it was set aside, else None."""
    return read_record(session_folder(out, key) / RECORD) or read_record(set_aside_path(out, key))


def records(out: Path) -> Iterator[Record]:
    """Those of every file of the batch, in the order of their keys; raises InputError."""
    sessions = {path.parent.name for path in out.glob(f"sessions/[!.]*/{RECORD}")}
    aside = {path.stem for path in out.glob("set-aside/[!.]*.json")}
    for key in sorted(sessions | aside):
        if record := kept_record(out, key):
            yield record
