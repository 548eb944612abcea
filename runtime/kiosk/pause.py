"""That somebody asked not to be looked at holds over a restart: it is a mark on the disk."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ...bundle import write_text
from ...errors import OutputError


class PauseMark:
    """A small file that is there while the kiosk is paused."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._trouble = ""

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
            self._trouble = ""
        except (OutputError, OSError) as error:
            reason = error.message if isinstance(error, OutputError) else f"{self.path}: {error.strerror}"
            self._trouble = f"{'the pause' if on else 'the end of the pause'} is forgotten at a restart: {reason}"

    def check(self) -> str:
        """What is wrong, in a sentence, or nothing."""
        return self._trouble
