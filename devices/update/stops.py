"""Ctrl-C and other signals while an update is tried: the first ends the trial, none ends the going back."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")


class Stops:
    """A context in which one signal interrupts what is done, and from `none` on not a single one.

    Handlers of our own and not SIG_IGN, because a program inherits that: the kiosk that is started again would be deaf.
    """

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._ignored = False

    def __enter__(self) -> Stops:
        """Take over what is not ignored already; in another thread than the main one no signal arrives."""
        if threading.current_thread() is threading.main_thread():
            for number in (getattr(signal, name) for name in SIGNALS if hasattr(signal, name)):
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """As it was."""
        for number, before in self._before.items():
            signal.signal(number, before)

    def none(self) -> None:
        """From here on every signal is ignored."""
        self._ignored = True

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self._ignored:
            return
        self._ignored = True
        if callable(before := self._before[number]):
            before(number, frame)
        raise KeyboardInterrupt  # where the usual end of the process would leave the new release running, unproven
