"""Keys of a terminal as they are pressed, without Enter, while something else goes on."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any, TextIO

LOOK_S = 0.1
"""How long the thread waits for a key before it looks whether it is to end."""


class Keyboard:
    """Calls back at each key until it is closed, which gives the terminal back as it was; Ctrl-C stays Ctrl-C."""

    def __init__(self, terminal: TextIO, on_key: Callable[[str, float], None]) -> None:
        """Args: a terminal; on_key gets a character and the monotonic second, in a thread of its own."""
        import termios  # not on Windows
        import tty

        self._descriptor, self._on_key = terminal.fileno(), on_key
        self._before: list[Any] = termios.tcgetattr(self._descriptor)
        tty.setcbreak(self._descriptor, termios.TCSANOW)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._work, name="keyboard", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and give the terminal back."""
        import termios

        self._end.set()
        self._thread.join()
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)

    def _work(self) -> None:
        while not self._end.is_set():
            ready, _, _ = select.select([self._descriptor], [], [], LOOK_S)
            at_s = monotonic()
            keys = os.read(self._descriptor, 64).decode("utf-8", "ignore") if ready else ""
            if ready and not keys:  # the terminal is gone
                return
            for key in keys if "\x1b" not in keys else "":  # arrows and function keys are several characters
                if key.isprintable():
                    self._on_key(key, at_s)
