"""A camera or stream for whoever reads frame by frame, as the kiosk reads it: a thread takes every picture, and whoever
looks gets the newest. Reading only when there is time would show what waited longest, and be ever later."""

from __future__ import annotations

import math
from collections.abc import Iterator
from queue import SimpleQueue

from ...errors import FerEdgeError, SourceError
from ..types import Frame
from .camera_process import CameraProcess, NoMorePictures
from .capture import Capture
from .source import Phase, State, reason_of
from .video import ASSUMED_FPS

LOOK_S = 1.0
"""After so long without a frame, it is asked whether any will come."""


class LiveSource:
    """See source.Source. A film over the network has an end, and every frame of it is given.

    Attributes:
        dropped: frames that came while others were looked at, and that a newer one replaced.
        began_s: the monotonic second at which the first frame that was given was taken; NaN before it.
    """

    live = True
    still = False
    frames: int | None = None

    def __init__(self, reader: CameraProcess) -> None:
        """Open it and wait for its first picture; raises DeviceNotFound or SourceError."""
        self._reader, self.name, self.dropped = reader, reader.name, 0
        self.began_s = math.nan
        states: SimpleQueue[State] = SimpleQueue()
        self._capture = Capture(lambda: reader, once=True, on_state=states.put)
        try:
            if states.get().phase is Phase.ENDED and self._capture.failure:  # the capture has its own deadlines
                self._raise(self._capture.failure, seen=False)
        except BaseException:
            self.close()
            raise
        stated = float(reader.about.get("fps", 0.0))
        self.fps = stated if 0 < stated < 1000 else ASSUMED_FPS

    def __iter__(self) -> Iterator[Frame]:
        """The newest frame each time, by the camera's time; raises SourceError when it hangs, breaks off or ends."""
        index, start_s, before = 0, 0.0, 0
        while True:
            stamped = self._capture.take(LOOK_S)
            if stamped is None:
                if self._capture.ended():
                    break
                continue
            frame = stamped.frame
            if index == 0:
                start_s, before = frame.time_s, self._capture.dropped
                self.began_s = stamped.at_s
            self.dropped = self._capture.dropped - before
            yield Frame(index, frame.time_s - start_s, frame.image)
            index += 1
        if self._capture.failure:
            self._raise(self._capture.failure, seen=index > 0)

    def close(self) -> None:
        """See Source."""
        self._capture.close()

    def _raise(self, failure: Exception, seen: bool) -> None:
        """Why there are no more frames; nothing for a film that was read to its end."""
        if not isinstance(failure, NoMorePictures):
            raise failure if isinstance(failure, FerEdgeError) else SourceError(f"{self.name}: {reason_of(failure)}")
        if not seen:
            cause = "another program uses it, or its format is not supported"
            raise SourceError(f"{self.name} opened but gave no picture", cause=cause) from failure
        if not self._reader.finite:
            raise failure
