"""What each worker of a batch does: one file after the other becomes a session, with models that are opened once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any, Literal

from ...errors import BundleError, DeviceFailed, FerEdgeError, InputError, SourceError
from ...files import sha256_of, writing_folder
from ..build import KeptModels, PipelineOptions
from ..run import RunOptions, SessionSummary, run_session
from .batch_file import JOIN, BatchFile
from .record import DONE, PARTIAL, RECORD, Record, record_of, session_folder, write_record
from .segments.film import Film
from .settings import check_same, check_shared, settings_of
from .table import write_observations

Verdict = Literal["file", "again", "all"]


@dataclass(frozen=True)
class Job:
    """What is the same for all files: the batch's folder, how the models are opened, and what must come of that."""

    out: Path
    pipeline: PipelineOptions
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Fault:
    """Why a file has no session; plain text, for it crosses from process to process.

    Attributes:
        verdict: `file`: it is the file's own; `again`: it may pass; `all`: no other file would fare better.
        exit_code: of the error it was.
    """

    verdict: Verdict
    message: str
    cause: str = ""
    hint: str = ""
    exit_code: int = 1

    @property
    def stops(self) -> bool:
        """Whether it ends the batch, after as many tries as there are."""
        return self.verdict == "all" or (self.verdict == "again" and self.exit_code == 4)


@dataclass(frozen=True)
class Answer:
    """A file's record, or the fault that kept it from having one; or segments that must have their turn before."""

    record: Record | None = None
    fault: Fault | None = None
    parts: tuple[int, ...] = ()


class FileWorker:
    """Analyses files, one after the other."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._models: KeptModels | None = None

    def ready(self) -> Answer:
        """Open the models, unless they are; a fault where that fails, or they are others than the batch's."""
        with _told() as answers:
            self._opened()
            answers.append(Answer())
        return answers[0]

    def analyse(self, file: BatchFile) -> Answer:
        """A file's session, its part of the data set and its record are written, or nothing; never raises.

        Of a film that is to be divided: its segments are told, or one of them is written, or they are joined.
        """
        with _told() as answers:
            answers.append(self._turn(file, self._opened()))
        if answers[0].fault and answers[0].fault.verdict == "again":
            self.close()
        return answers[0]

    def close(self) -> None:
        """Close the models; the next file opens them anew."""
        models, self._models = self._models, None
        if models:
            models.close()

    def _opened(self) -> KeptModels:
        if self._models is None:
            check_shared(self._job.out, self._job.settings)
            models = KeptModels(self._job.pipeline)
            self._models = models
            check_same(self._job.settings, settings_of(models.first, self._job.pipeline, self._segment_s))
        return self._models

    @property
    def _segment_s(self) -> float | None:
        return self._job.settings.get("segment_s")

    def _turn(self, file: BatchFile, models: KeptModels) -> Answer:
        film = Film(self._job.out, file, self._segment_s) if self._segment_s and not file.remote else None
        if film and file.part is None and (parts := film.missing()):
            return Answer(parts=parts)
        if film and file.part is not None and file.part != JOIN:
            film.look(file.part, models, self._job.pipeline)
            return Answer()
        return Answer(self._analyse(file, models, film))

    def _analyse(self, file: BatchFile, models: KeptModels, film: Film | None = None) -> Record:
        began, folder = monotonic(), session_folder(self._job.out, file.key)
        with writing_folder(folder) as part:
            path = _fetched(file, part) if file.remote else Path(file.source)
            run = RunOptions(str(path), part, pipeline=self._job.pipeline)
            with _named(file, path):
                summary, divided = film.session(run, models) if film else (run_session(run, build=models.built), {})
            _check_ended(summary)
            contents = {"sha256": sha256_of(path), "bytes": path.stat().st_size}
            if file.remote:
                path.unlink()
                path.parent.rmdir()
            record = record_of(file, **contents, **_seen(summary), **divided)
            write_observations(part, self._job.out, record)
            record = replace(record, took_s=round(monotonic() - began, 3))
            write_record(part / RECORD, record)
        return record


def died(how: str = "") -> Fault:
    """Of a file, over which a worker died; `how` in words, where that is known."""
    cause = "the decoder crashed on it, or the system ended the worker for want of memory"
    return Fault("again", f"the worker died over it{how}", cause)


def never_began(how: str = "", cause: str = "") -> Fault:
    """Of a worker that died before it had opened its models."""
    usual = "there is too little memory for so many workers, or a library crashes on this machine"
    return Fault("all", f"a worker died before its first file{how}", cause or usual, "fer-edge doctor", 4)


def _check_ended(summary: SessionSummary) -> None:
    """Raise what is not the file's own fault, and what is no film."""
    if summary.failure and not isinstance(summary.failure, InputError):
        raise summary.failure
    if summary.interrupted:
        raise DeviceFailed("the worker was interrupted")
    if summary.still:
        raise SourceError(f"{summary.source} is a picture", cause="a batch is of films; fer-edge run takes pictures")


def _fetched(file: BatchFile, part: Path) -> Path:
    from .remote import fetch

    folder = part / "fetched"
    folder.mkdir()
    return fetch(file, folder)


def _seen(summary: SessionSummary) -> dict[str, Any]:
    """Fields of a Record."""
    shares, failure = summary.shares, summary.failure
    together = sum(face.seconds for face in shares.faces)
    told = {"fault": failure.message, "cause": failure.cause, "hint": failure.hint} if failure else {}
    return {
        **told,
        "state": PARTIAL if failure else DONE,
        "frames": summary.frames,
        "faces": summary.faces,
        "people": shares.people,
        "seconds": round(shares.seconds, 6),
        "without_face_s": round(shares.without_face_s, 6),
        "face_seconds": round(together, 6),
        "expressions": {label: round(share * together, 6) for label, share in sorted(shares.expressions.items())},
        "unsuitable": dict(sorted(summary.unsuitable.items())),
        "skipped": tuple(summary.skipped),
    }


@contextmanager
def _named(file: BatchFile, path: Path) -> Iterator[None]:
    """An error about a copy names the file that it was made of."""
    try:
        yield
    except InputError as error:
        for part in ("message", "cause", "hint"):
            setattr(error, part, getattr(error, part).replace(str(path), file.shown))
        raise


@contextmanager
def _told() -> Iterator[list[Answer]]:
    """Gives a list for the answer; an error becomes one: not every error can cross to another process."""
    answers: list[Answer] = []
    try:
        yield answers
    except FerEdgeError as error:
        answers.append(Answer(fault=Fault(_verdict(error), error.message, error.cause, error.hint, error.exit_code)))
    except MemoryError:
        answers.append(Answer(fault=Fault("again", "the worker had not enough memory for it")))
    except Exception as error:
        answers.append(Answer(fault=Fault("file", f"unexpected {type(error).__name__}: {error}")))


def _verdict(error: FerEdgeError) -> Verdict:
    if isinstance(error, DeviceFailed):
        return "again"
    return "file" if isinstance(error, InputError) and not isinstance(error, BundleError) else "all"
