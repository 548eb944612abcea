"""Pausing: the mark on the disk that keeps a pause over a restart, and the button on a GPIO line."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from ...bundle import write_text
from ...errors import DeviceNotFound, MissingExtra, OutputError

DEBOUNCE = timedelta(milliseconds=50)
WAIT = timedelta(seconds=0.5)


class PauseMark:
    """A small file that is there while the kiosk is paused."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fault = ""

    def is_set(self) -> bool:
        """Whether it was paused when it last ran; a folder that cannot be read does not pause it."""
        with suppress(OSError):
            return self.path.is_file()
        return False

    def put(self, on: bool) -> None:
        """Set or remove it; a failure shows in `check`, and the pause itself does not depend on it."""
        try:
            if on:
                write_text(self.path, "paused on request\n")
            else:
                self.path.unlink(missing_ok=True)
            self._fault = ""
        except (OutputError, OSError) as error:
            reason = error.message if isinstance(error, OutputError) else f"{self.path}: {error.strerror}"
            self._fault = f"{'the pause' if on else 'the end of the pause'} is forgotten at a restart: {reason}"

    def check(self) -> str:
        """What is wrong, in a sentence, or nothing."""
        return self._fault


class PauseButton:
    """A button on a GPIO line that pauses the kiosk and ends the pause; it pulls the line to ground (pull-up on)."""

    def __init__(self, place: str, pressed: Callable[[], None]) -> None:
        """Watch it in a thread; raises MissingExtra without gpiod, DeviceNotFound: no such line, or it is taken.

        Args:
            place: chip and line, such as `gpiochip0:17`.
            pressed: called in the thread at each press; must return at once.
        """
        try:
            import gpiod
        except ImportError:
            raise MissingExtra("gpiod", "gpio") from None
        chip, _, line = place.partition(":")
        self._pressed, self._stop, self._fault = pressed, threading.Event(), ""
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
        return self._fault

    def close(self) -> None:
        """Release the line; calling it twice is harmless."""
        self._stop.set()
        self._thread.join(2 * WAIT.total_seconds())
        with suppress(OSError, ValueError):
            self._lines.release()

    def _watch(self) -> None:
        while not self._stop.is_set():
            try:
                if self._lines.wait_edge_events(WAIT):
                    for _ in self._lines.read_edge_events():
                        self._pressed()
            except (OSError, ValueError) as error:  # the chip was unplugged
                self._fault = f"the pause button does not answer: {error}"
                return


def _settings(gpiod: Any) -> Any:
    """For libgpiod 2's Python binding: an input with pull-up that reports falling edges."""
    from gpiod.line import Bias, Direction, Edge

    return gpiod.LineSettings(
        direction=Direction.INPUT, bias=Bias.PULL_UP, edge_detection=Edge.FALLING, debounce_period=DEBOUNCE
    )
