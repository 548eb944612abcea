"""What was seen in one segment, as a file: of every picture what the search for faces remembers, and the answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from ....errors import SourceError
from ....files import write_text
from ...pipeline import Known, Pipeline, answers_of
from ...sources.video import VideoSource
from ...types import Face, Frame
from ...vision.region_search import Memory, Place
from .divide import Segment

Stamped = tuple[float, int]
"""A picture's stamp in seconds, and the CRC-32 of its pixels."""


@dataclass(frozen=True)
class Ends:
    """How a segment joins others.

    Attributes:
        before: the last picture before its own; last: the last of its own. Two segments must agree in it.
        memory, after: of the search, when it comes to the first of its own, and after the last.
    """

    before: Stamped | None
    last: Stamped
    memory: Memory
    after: Memory


def pictures(path: Path, threads: int, segment: Segment) -> Iterator[tuple[float, Any]]:
    """A segment's pictures with their stamps, from where it is read to its end.

    Raises SourceError when the end is reached and anything was damaged.
    """
    source = VideoSource(path, threads)
    try:
        if segment.key:
            source.decoder.begin_at(*segment.key)
        for stamp_s, image in source.pictures():
            if stamp_s is None or stamp_s >= segment.end_s:
                break
            yield stamp_s, image
        if source.decoder.damaged or source.decoder.fault:
            raise SourceError(f"a segment of {source.name} is damaged")
    finally:
        source.close()


def look(
    images: Iterable[tuple[float, Any]], look_s: float, begin_s: float, start_s: float, pipeline: Pipeline, seen: Path
) -> None:
    """Look at a segment's pictures, and write to the file `seen` what was seen, all or nothing.

    Args:
        look_s, begin_s: stamps from which on they are looked at, and are its own; start_s: of the film's first picture.

    Raises SourceError: there are none of its own; DeviceFailed, OutputError.
    """
    before, last, memory, lines = None, None, pipeline.search.memory, list[str]()
    for stamp_s, image in images:
        own = stamp_s > begin_s
        if own and last and not lines:
            before, memory = _stamped(*last), pipeline.search.memory
        last = stamp_s, image
        if stamp_s <= look_s:
            continue
        looked = pipeline.look(Frame(len(lines), stamp_s - start_s, image))
        if own:
            rows = [None if row is None else row.tolist() for row in answers_of(pipeline.classifier, looked.readable)]
            lines.append(json.dumps([stamp_s, astuple(pipeline.search.memory), list(looked.reasons), rows]))
    if last is None or not lines:
        raise SourceError("a segment holds no picture", cause="the file was changed meanwhile")
    ends = [before, _stamped(*last), astuple(memory), astuple(pipeline.search.memory)]
    write_text(seen, "\n".join([json.dumps(ends), *lines, ""]))


def read_ends(path: Path) -> Ends:
    """How the segment in a file joins others; raises OSError, ValueError."""
    with path.open(encoding="utf-8") as file:
        before, last, memory, after = json.loads(file.readline())
    return Ends(before and tuple(before), tuple(last), _memory(memory), _memory(after))


def read_seen(path: Path) -> Iterator[tuple[float, Known]]:
    """Stamp of each picture of a segment, and what is known of it."""
    with path.open(encoding="utf-8") as file:
        file.readline()
        for line in file:
            stamp_s, memory, reasons, rows = json.loads(line)
            answers = [None if row is None else np.asarray(row, np.float32) for row in rows]
            yield stamp_s, Known(_memory(memory), reasons, answers)


def _stamped(stamp_s: float, image: Any) -> Stamped:
    return stamp_s, crc32(image)


def _memory(told: Sequence[Any]) -> Memory:
    places, shape, *times = told
    return Memory(tuple(_place(*place) for place in places), tuple(shape), *times)


def _place(face: Sequence[Any], seen_s: float, told: bool) -> Place:
    box, score, points = face
    return Place(Face(tuple(box), score, points and tuple(map(tuple, points))), seen_s, told)
