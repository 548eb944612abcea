"""Stands in for libgpiod 2's Python binding: request_lines, LineSettings, LineRequest as its documentation gives them.

A line is a named pipe below the folder in FAKE_GPIO, named `<chip>-<line>`; a byte written to it is a falling edge.
"""

from __future__ import annotations

import os
import select
from dataclasses import dataclass
from datetime import timedelta

from . import line


@dataclass
class LineSettings:
    direction: line.Direction = line.Direction.AS_IS
    edge_detection: line.Edge = line.Edge.NONE
    bias: line.Bias = line.Bias.AS_IS
    drive: object = None
    active_low: bool = False
    debounce_period: timedelta = timedelta()


@dataclass
class EdgeEvent:
    line_offset: int


class LineRequest:
    def __init__(self, pipe: str, offset: int) -> None:
        self._pipe, self._offset = os.open(pipe, os.O_RDWR | os.O_NONBLOCK), offset

    def wait_edge_events(self, timeout: timedelta | float | None = None) -> bool:
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        return bool(select.select([self._pipe], [], [], seconds)[0])

    def read_edge_events(self, max_events: int | None = None) -> list[EdgeEvent]:
        return [EdgeEvent(self._offset) for _ in os.read(self._pipe, max_events or 64)]

    def release(self) -> None:
        os.close(self._pipe)


def request_lines(path: str, config: dict[int, LineSettings], consumer: str | None = None) -> LineRequest:
    ((offset, settings),) = config.items()
    assert settings.direction is line.Direction.INPUT
    assert settings.edge_detection is line.Edge.FALLING
    return LineRequest(os.path.join(os.environ["FAKE_GPIO"], f"{os.path.basename(path)}-{offset}"), offset)
