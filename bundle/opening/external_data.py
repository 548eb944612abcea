"""Which further files an ONNX graph reads: its tensors may lie elsewhere, where the graph's own hash covers no byte.

Read as protobuf's wire format, with the numbers of onnx.proto: the onnx package belongs to no kiosk.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

LOCATION = b"location"
"""The key of onnx.proto's `TensorProto.external_data` whose value is a path."""
INSIDE: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
"""Message -> number of a field -> the message in it; the fields through which a tensor can be reached."""
Field = tuple[int, int, int]
"""Number, begin and end of what it holds."""


def external_files(file: Path) -> set[str]:
    """The paths a graph's tensors name, as it states them; raises ValueError when it names any and cannot be read."""
    with file.open("rb") as opened:
        if not file.stat().st_size:
            return set()
        with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            if mapped.find(LOCATION) < 0:
                return set()
    return set(_locations(file.read_bytes()))


def _locations(data: bytes) -> Iterator[str]:
    waiting = [("model", 0, len(data))]  # no recursion: graphs may be nested as deep as somebody likes
    while waiting:
        kind, begin, end = waiting.pop()
        inside = INSIDE[kind]
        for number, at, stop in _fields(data, begin, end):
            if (inner := inside.get(number)) == "entry":
                entry = {number: data[a:b] for number, a, b in _fields(data, at, stop)}
                if entry.get(1) == LOCATION:
                    yield entry.get(2, b"").decode(errors="surrogateescape")
            elif inner is not None:
                waiting.append((inner, at, stop))


def _fields(data: bytes, at: int, end: int) -> Iterator[Field]:
    """The fields of a message that have a length; others hold numbers. Groups, which nobody writes, are looked into."""
    while at < end:
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == 0:
            _, at = _varint(data, at)
        elif wire == 2:
            size, at = _varint(data, at)
            if at + size > end:
                break
            yield tag >> 3, at, at + size
            at += size
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        elif wire not in (3, 4):
            break
    if at != end:
        raise ValueError("not protobuf")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        value |= (data[at] & 0x7F) << shift
        at += 1
        if not data[at - 1] & 0x80:
            return value, at
    raise ValueError("not protobuf")
