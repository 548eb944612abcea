"""One slot between the thread that captures and the one that looks: whoever takes gets the newest frame, or none."""

from __future__ import annotations

import threading

from ..types import Stamped


class Mailbox:
    """Holds the newest frame until it is taken; an older one that nobody took is dropped and counted."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: Stamped | None = None
        self._closed = False
        self.dropped = 0
        """Frames that a newer one replaced before anybody took them."""

    def put(self, frame: Stamped) -> None:
        """Leave a frame; after `close` it is forgotten."""
        with self._changed:
            if self._closed:
                return
            self.dropped += self._frame is not None
            self._frame = frame
            self._changed.notify_all()

    def take(self, timeout_s: float) -> Stamped | None:
        """The newest frame that was not taken yet; None when none comes in time, or none will come any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None or self._closed, timeout_s)
            frame, self._frame = self._frame, None
            self._changed.notify_all()
            return frame

    def wait_taken(self, timeout_s: float | None = None) -> bool:
        """Wait until the frame was taken, or the mailbox closed; False when neither happened in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._frame is None or self._closed, timeout_s)

    def close(self) -> None:
        """No frame will come any more; the last one can still be taken, and whoever waits is woken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def drained(self) -> bool:
        """Whether it is closed, and its last frame taken."""
        with self._changed:
            return self._closed and self._frame is None
