"""One long film of a batch: its segments that are finished, in a folder of its own, and those that are missing."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ....errors import UsageError
from ....files import write_text
from ...build import KeptModels, PipelineOptions
from ...run import RunOptions, SessionSummary, run_session
from ..batch_file import BatchFile
from ..record import segments_folder
from .divide import LEAST_S, WARM_S, Division, Segment, divide, first_look
from .join import Joined, fit
from .seen import look, pictures, read_ends

DIVISION = "division.json"
_APART = "a segment of it could not be analysed by itself, for it is damaged, or its worker died"
_OTHER = "its pictures are not the same when reading begins at a key frame"


def check_segments(segment_s: float, pipeline: PipelineOptions) -> None:
    """Raise UsageError for a length that is none, and for options with which films cannot be divided."""
    if not LEAST_S <= segment_s < math.inf:
        raise UsageError(
            f"--segment must be at least {LEAST_S:.0f} seconds, not {segment_s:g}",
            cause=f"before each segment {WARM_S:.0f} s are looked at that are another's",
            hint="the same command with --segment 600",
        )
    for name in ("infer_every_s", "faces_per_frame"):
        if getattr(pipeline, name):
            cause = "who begins in the middle of a film does not know whose turn it is"
            hint = "the same command without --segment"
            raise UsageError(f"--segment does not go together with {name}", cause=cause, hint=hint)


class Film:
    """A film that is to be divided where it is longer than so many seconds."""

    def __init__(self, out: Path, file: BatchFile, seconds: float) -> None:
        """Of `file` in the batch's folder `out`; its division is made when it is first asked for."""
        self._folder, self._file, self._path = segments_folder(out, file.key), file, Path(file.source)
        self._division = self._kept() or divide(self._path, seconds)

    def missing(self) -> tuple[int, ...]:
        """Segments that nobody has finished; none too where the film stays whole. Raises OutputError."""
        if self._division.segments and self._kept() is None:
            shutil.rmtree(self._folder, ignore_errors=True)  # of an earlier version of the file
            told = {"version": self._file.version, **asdict(self._division)}
            write_text(self._folder / DIVISION, json.dumps(told) + "\n")
        return tuple(n for n, path in enumerate(self._seen) if not path.exists())

    def look(self, part: int, models: KeptModels, options: PipelineOptions) -> None:
        """Look at one segment; errors as `seen.pictures` and `look`.

        What of the earlier ones is finished by now tells how the search will come there, or nearly.
        """
        pipeline = models.built(replace(options, mirrored=bool(options.mirrored))).pipeline
        segment, times = self._division.segments[part], self._division.times
        look_s = segment.begin_s
        earlier = [path for path in self._seen[:part] if path.exists()]
        if earlier and earlier[-1] == self._seen[part - 1]:
            pipeline.search.memory = read_ends(earlier[-1]).after
        else:
            whole_s = read_ends(earlier[-1]).after.whole_s if earlier else -math.inf
            look_s = first_look(times, segment.read_s, whole_s)
        images = pictures(self._path, options.threads or 0, segment)
        look(images, look_s, segment.begin_s, times[0], pipeline, self._seen[part])

    def session(self, run: RunOptions, models: KeptModels) -> tuple[SessionSummary, dict[str, Any]]:
        """The session of the whole film, and what of a Record tells how it was made; errors as `run_session`.

        Where a segment is missing, or does not fit another, the film is analysed as a whole.
        """
        why = self._division.why
        if self._division.segments:
            whole = all(path.exists() for path in self._seen)
            if whole and fit(self._seen):
                joined = Joined(self._division, self._seen, models.built)
                summary = run_session(run, build=joined.built, opener=joined.source)
                return summary, {"segments": len(self._seen), "looked_again": joined.again}
            why = _OTHER if whole else _APART
        return run_session(run, build=models.built), {"undivided": why}

    @property
    def _seen(self) -> list[Path]:
        return [self._folder / f"{number:04}.jsonl" for number in range(len(self._division.segments))]

    def _kept(self) -> Division | None:
        """How this version of the film was divided before; None: it was not."""
        try:
            told = json.loads((self._folder / DIVISION).read_bytes())
            segments = tuple(
                Segment(part["key"] and tuple(part["key"]), part["read_s"], part["begin_s"], part["end_s"])
                for part in told["segments"]
            )
            if told["version"] != self._file.version:
                return None
            return Division(segments, told["why"], tuple(told["times"]), told["reached_s"])
        except (OSError, ValueError, KeyError):
            return None
