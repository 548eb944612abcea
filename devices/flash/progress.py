"""What a caller hears while a card is made: progress of a step, and what each step did."""

from __future__ import annotations

from collections.abc import Callable

OnProgress = Callable[[int, int], None]
"""Called with how much is done and how much there is, bytes or changes."""
STEPS = ("unpack", "probe", "plan", "apply", "verify", "write")


def silent(done: int, total: int) -> None:
    """An `OnProgress` that shows nothing."""


class Listener:
    """Hears how a card is made; this one says nothing, a command line prints."""

    def on_progress(self, step: str) -> OnProgress:
        """What to call with the progress of a step."""
        return silent

    def on_busy(self, text: str) -> None:
        """Something long goes on whose progress is not known."""

    def on_message(self, text: str) -> None:
        """A warning, or what pip is asked for."""

    def on_step(self, step: str, text: str) -> None:
        """A step of `STEPS` ended; what it did."""
