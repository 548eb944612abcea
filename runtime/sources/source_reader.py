"""What the capture thread reads files with: a source in the thread itself, shown at its own pace."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from time import monotonic

from ...errors import SourceError
from ..types import Frame
from .source import Picture, Source, as_bgr, check_shape


class SourceReader:
    """A source that is read in the thread that asks: cheap, but its deadlines are only as good as the source's own."""

    live = False
    finite = True

    def __init__(self, make: Callable[[], Source], name: str, loop: bool = False) -> None:
        """Prepare.

        Args:
            make: opens the source, again at each round when `loop`.
            loop: begin anew at the end; times go on.
        """
        self.name, self._make, self._loop = name, make, loop
        self._source: Source | None = None
        self._frames: Iterator[Frame] = iter(())
        self._begin_s = self._last_s = self._apart_s = 0.0

    def open(self, limit_s: float) -> None:
        """Open the source."""
        self._source = self._make()
        self.name, self.live = self._source.name, self._source.live
        self._frames = iter(self._source)
        self._apart_s = 1 / self._source.fps if self._source.fps > 0 else 0.0

    def read(self, limit_s: float) -> Picture | None:
        """The next frame of the source, copied to BGR."""
        frame = next(self._frames, None)
        if frame is None and self._loop:
            self.close()
            self._begin_s = self._last_s + self._apart_s
            self.open(limit_s)
            frame = next(self._frames, None)
            if frame is None:
                raise SourceError(f"{self.name} holds no picture")
        if frame is None:
            return None
        check_shape(frame.image.shape, self.name)
        time_s = self._begin_s + frame.time_s
        self._apart_s = time_s - self._last_s if time_s > self._last_s else self._apart_s
        self._last_s = time_s
        good = frame.image.ndim == 3 and frame.image.shape[2] == 3
        return Picture(frame.image if good else as_bgr(frame.image), monotonic(), None if self.live else time_s)

    def interrupt(self) -> None:
        """A read in this process cannot be interrupted; one of a file does not last."""

    def close(self) -> None:
        """Close the source."""
        if self._source is not None:
            self._source.close()
        self._source = None


class Pacer:
    """Shows a file's frames when their time has come."""

    def __init__(self, stop: threading.Event, clock: Callable[[], float] = monotonic) -> None:
        """Begin; `stop` ends every wait, `clock` gives seconds."""
        self._stop, self._clock, self._zero_s = stop, clock, 0.0
        self._begun = False

    def wait(self, time_s: float) -> None:
        """Wait until the second `time_s` of the file; a reader that is too slow for it is not hurried."""
        now = self._clock()
        if not self._begun or now > self._zero_s + time_s:
            self._begun, self._zero_s = True, now - time_s
        self._stop.wait(self._zero_s + time_s - now)
