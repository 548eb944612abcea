"""What was asked for from outside, by page, broker, button or signal: noted at once, done between frames."""

from __future__ import annotations

import threading


class Requests:
    """The newest request of each kind; any thread may ask, the loop takes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted: dict[str, bool] = {}

    def ask(self, name: str, on: bool = True) -> None:
        """Note it; the last one of a kind counts."""
        with self._lock:
            self._wanted[name] = on

    def take(self) -> dict[str, bool]:
        """What was asked for since the last time; name -> on or off."""
        if not self._wanted:  # the usual case, once a frame
            return {}
        with self._lock:
            wanted, self._wanted = self._wanted, {}
        return wanted
