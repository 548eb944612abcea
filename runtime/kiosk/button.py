"""A button on a GPIO line that pauses the kiosk, and lets it go on when pressed again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from ...errors import DeviceNotFound, MissingExtra

DEBOUNCE = timedelta(milliseconds=50)
TURN = timedelta(seconds=0.5)


class PauseButton:
    """Between the line and ground, with the board's own pull-up: pressed is low."""

    def __init__(self, place: str, pressed: Callable[[], None]) -> None:
        """Watch it in a thread.

        Args:
            place: chip and line, such as `gpiochip0:17`.
            pressed: called in the thread at each press; must return at once.

        Raises:
            MissingExtra: the library gpiod is absent; DeviceNotFound: there is no such line, or it is taken.
        """
        try:
            import gpiod
        except ImportError:
            raise MissingExtra("gpiod", "gpio") from None
        chip, _, line = place.partition(":")
        self._pressed, self._stop, self._trouble = pressed, threading.Event(), ""
        try:
            self._lines: Any = gpiod.request_lines(
                f"/dev/{chip}", consumer="fer-edge pause", config={int(line): _settings(gpiod)}
            )
        except (OSError, ValueError) as error:
            raise DeviceNotFound(
                f"the pause button at {place} cannot be used: {error}",
                cause="there is no such line, another program has it, or this user may not use it",
                hint=f"gpioinfo {chip}",
            ) from error
        self._thread = threading.Thread(target=self._watch, name="button", daemon=True)
        self._thread.start()

    def check(self) -> str:
        """What is wrong, in a sentence, or nothing."""
        return self._trouble

    def close(self) -> None:
        """Let go of the line; calling it twice is harmless."""
        self._stop.set()
        self._thread.join(2 * TURN.total_seconds())
        with suppress(OSError, ValueError):
            self._lines.release()

    def _watch(self) -> None:
        while not self._stop.is_set():
            try:
                if self._lines.wait_edge_events(TURN):
                    for _ in self._lines.read_edge_events():
                        self._pressed()
            except (OSError, ValueError) as error:  # the chip was unplugged
                self._trouble = f"the pause button does not answer: {error}"
                return


def _settings(gpiod: Any) -> Any:
    """Of libgpiod 2's Python binding: an input with pull-up that tells of falling edges."""
    from gpiod.line import Bias, Direction, Edge

    return gpiod.LineSettings(
        direction=Direction.INPUT, bias=Bias.PULL_UP, edge_detection=Edge.FALLING, debounce_period=DEBOUNCE
    )
