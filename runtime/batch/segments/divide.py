"""Where a long film is divided: at key frames, which depends on the film and the length alone."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ....errors import FerEdgeError
from ...sources import open_source
from ...sources.torn import is_torn
from ...sources.video import VideoSource
from ...vision.region_search import WHOLE_S

WARM_S = 4.0
"""Seconds before a segment from which on it is looked at, so that the search for faces comes to remember what it would
remember had it seen all before: it forgets a place after one."""
LEAST_S = 10.0
"""A segment is longer than what is looked at before it."""


@dataclass(frozen=True)
class Segment:
    """One part of a film; times are the file's own stamps in seconds.

    Attributes:
        key: pts and dts of the key frame at which reading begins; None: at the file's beginning.
        read_s: the first picture that is read.
        begin_s, end_s: pictures between these are its own.
    """

    key: tuple[int, int] | None
    read_s: float
    begin_s: float
    end_s: float


@dataclass(frozen=True)
class Division:
    """How a film is divided.

    Attributes:
        segments: at least two; none: it stays whole.
        why: of a film that is long enough and stays whole, in words; else empty.
        times: stamps of all pictures, in order.
        reached_s: seconds from the first one to where the film's last packet ends, as the decoder tells it.
    """

    segments: tuple[Segment, ...] = ()
    why: str = ""
    times: tuple[float, ...] = ()
    reached_s: float = 0.0


@dataclass(frozen=True)
class _Key:
    pts: int
    dts: int
    time_s: float


def divide(path: Path, seconds: float) -> Division:
    """Divide a film at the key frames nearest to multiples of so many seconds; its packets are read, none is decoded.

    What cannot be opened stays whole: whoever analyses it will say what is wrong.
    """
    try:
        source = open_source(str(path), 1)
    except FerEdgeError:
        return Division()
    try:
        if not isinstance(source, VideoSource) or 0 < source.decoder.duration_s <= seconds:
            return Division()
        times, keys, sure = _stamps(source)
        if sure and times[-1] - times[0] <= seconds:
            return Division()
        if not sure or is_torn(path):
            return Division(why="it is damaged, or its pictures have no times or no key frame that can be relied on")
        segments = _segments(times, list(_begins(keys, times[0], times[-1], seconds)))
        return Division(segments, "" if segments else _NO_KEY, tuple(times), source.decoder.reached_s)
    finally:
        source.close()


_NO_KEY = "it has no key frame at which it could be divided"


def _stamps(source: VideoSource) -> tuple[list[float], list[_Key], bool]:
    """Seconds of all pictures in order, the key frames before which all else is shown, and whether that is sure."""
    decoder, sure, latest_s = source.decoder, source.decoder.timed, -math.inf
    times, keys = list[float](), list[_Key]()
    for packet in decoder.packets():
        if not packet.size or packet.is_discard:  # the empty one at the end; what an edit leaves out
            continue
        if packet.pts is None or packet.is_corrupt:
            sure = False
            break
        at_s = float(packet.pts) * packet.time_base.numerator / packet.time_base.denominator  # as PyAV, to the bit
        if packet.is_keyframe and at_s > latest_s:
            keys.append(_Key(packet.pts, packet.pts if packet.dts is None else packet.dts, at_s))
        if keys and at_s >= keys[0].time_s:  # what comes before cannot be decoded
            latest_s = max(latest_s, at_s)
            times.append(at_s)
    return sorted(times), keys, sure and len(set(times)) == len(times) > 0 and not decoder.fault


def _begins(keys: Sequence[_Key], first_s: float, last_s: float, seconds: float) -> Iterator[tuple[_Key, _Key]]:
    """The key frames at which segments begin, but for the first one, and those at which reading begins for each."""
    before_s = target_s = first_s
    while (target_s := target_s + seconds) < last_s:
        nearest = min(keys, key=lambda key: abs(key.time_s - target_s))
        warm = [key for key in keys if key.time_s <= nearest.time_s - WARM_S]
        if nearest.time_s > before_s and warm:
            before_s = nearest.time_s
            yield nearest, warm[-1]


def _segments(times: Sequence[float], begins: Sequence[tuple[_Key, _Key]]) -> tuple[Segment, ...]:
    """None where there is no key frame to begin with."""
    edges = [times[0] - 1, *(_before(times, key.time_s) for key, _ in begins), times[-1] + 1]
    made = [Segment(None, times[0], edges[0], edges[1])]
    for (_, warm), begin_s, end_s in zip(begins, edges[1:-1], edges[2:], strict=True):
        made.append(Segment((warm.pts, warm.dts), warm.time_s, begin_s, end_s))
    return tuple(made) if begins else ()


def first_look(times: Sequence[float], read_s: float, whole_s: float) -> float:
    """The time before the first picture, of those that are read, with which a segment is best begun to be looked at.

    It is one that the search sees as a whole as long as it loses no face after it did so at second `whole_s`.
    """
    whole_s = whole_s if whole_s < read_s - times[0] else -math.inf
    for stamp_s in times:
        if stamp_s - times[0] - whole_s >= WHOLE_S:
            whole_s = stamp_s - times[0]
            if stamp_s >= read_s:
                break
    return _before(times, stamp_s)


def _before(times: Sequence[float], time_s: float) -> float:
    """Between a picture and the one before it, so that rounding does not matter."""
    at = bisect_left(times, time_s)
    return (times[at - 1] + times[at]) / 2 if at else times[0] - 1
