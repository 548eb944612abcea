"""Requests from outside, by page, broker, button or signal: noted at once, carried out between two frames."""

from __future__ import annotations

import threading

from ..config import KioskConfig

PAUSE, RECORD, RELOAD, TOGGLE = "pause", "record", "reload", "toggle"


def commands_of(config: KioskConfig) -> tuple[str, ...]:
    """The commands that page and broker offer."""
    return (PAUSE, RECORD) if config.record.on else (PAUSE,)


class Requests:
    """The newest request of each kind; any thread may ask, the daemon's loop takes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: dict[str, bool] = {}

    def ask(self, name: str, on: bool = True) -> None:
        """Note a request; it replaces an earlier one of its kind."""
        with self._lock:
            self._asked[name] = on

    def take(self) -> dict[str, bool]:
        """What was asked for since the last call; name -> on or off."""
        if not self._asked:  # the usual case, once a frame
            return {}
        with self._lock:
            asked, self._asked = self._asked, {}
        return asked
