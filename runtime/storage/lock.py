"""The right to write a store: one process at a time."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from ...errors import UsageError
from ...files import cannot_write


class Claim:
    """Holds a folder until it is released or the process ends, however it ends.

    The folder itself is locked (flock(2)), so nothing has to be written and nothing is left behind by a kill.
    """

    def __init__(
        self,
        folder: Path,
        cause: str = "a kiosk is running; two would mix their rows",
        hint: str = "systemctl stop fer-edge",
    ) -> None:
        """Make the folder when missing, readable by its owner alone, and take it.

        Args:
            cause, hint: who is likely to have it, and what to do then.

        Raises:
            UsageError: another process has it; OutputError: the folder cannot be made or opened.
        """
        import fcntl  # not on Windows, where no kiosk runs

        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise cannot_write(folder / "kiosk.db", error) from error
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._held)
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise cannot_write(folder, error) from error
            raise UsageError(
                f"another process is writing the store in {folder}",
                cause=cause,
                hint=hint,
            ) from None

    def holds(self, folder: Path) -> bool:
        """Whether the folder is still the one that was taken; a disk may have been changed under it."""
        try:
            return os.path.samestat(os.fstat(self._held), folder.stat())
        except OSError:
            return False

    def release(self) -> None:
        """Let the folder go; calling it again is harmless."""
        held, self._held = self._held, -1
        if held >= 0:
            os.close(held)
