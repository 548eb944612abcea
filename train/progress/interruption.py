"""Stopping a training where nothing is lost: a signal waits until the step is done."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """While open, the first Ctrl-C or SIGTERM is only noted; a second one does what it always did, at once."""

    def __init__(self) -> None:
        self._noted: int | None = None
        self._before: dict[int, Any] = {}

    @property
    def noted(self) -> bool:
        """Whether somebody asked to stop."""
        return self._noted is not None

    def obey(self) -> None:
        """Do what the noted signal does without us: as a rule, raise KeyboardInterrupt."""
        handler = self._before.get(self._noted or 0)
        if callable(handler):
            handler(self._noted, None)
        raise KeyboardInterrupt

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():  # only there signals can be asked for
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._noted = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def leave_signals_to_the_parent(worker: int) -> None:
    """For a process that loads pictures: what ends a whole group of processes (a terminal, systemd, Slurm) reaches it
    too, and the step that waits for it must not fail. It ends with its parent, whom it watches."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
