"""A session recorded on request: a store, and a video where the configuration allows pictures on the disk."""

from __future__ import annotations

import ctypes
import logging
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...errors import FerEdgeError, OutputError, UsageError
from ..config.sections import Record
from ..keeping.places import new_recording
from ..pipeline import Sink
from ..report.video import VideoSink
from ..storage.session import Marker, StoreSink
from ..types import Frame, Observation

MIN_FREE = 64 << 20
"""Bytes that must be free to begin."""
BOX_S = 0.5
"""How long a box stays: with work.infer_fps a face is not observed in every frame, and its box would flicker."""
log = logging.getLogger(__name__)


class Recorder:
    """A sink that writes while somebody asked for it; it fails by ending, and says so."""

    def __init__(
        self,
        settings: Record,
        facts: Callable[[], Mapping[str, Any]],
        fps: float,
        clock: Callable[[], float] = time.monotonic,
        remember: Callable[[Path], None] = lambda folder: None,
    ) -> None:
        """Begin with nothing.

        Args:
            facts: what is true of a whole session.
            fps: of the frames, for the video; frames keep their own times.
            clock: seconds, never running backwards.
            remember: is told the folder before anything is recorded in it; raises OutputError.
        """
        self.settings, self._facts, self._fps, self._clock = settings, facts, fps, clock
        self._remember = remember
        self._sinks: list[Sink] = []
        self._boxes: Sequence[Observation] = ()
        self._finishing: threading.Thread | None = None
        self._began_s = self._first_s = 0.0
        self._frames = 0
        self.markers = 0
        """In the session that is recorded."""
        self._trouble = ""
        self.folder: Path | None = None
        """Of the newest session."""

    @property
    def active(self) -> bool:
        """Whether one is being recorded."""
        return bool(self._sinks)

    @property
    def unfinished(self) -> Path | None:
        """The folder of the session that is being recorded, or whose film is being finished."""
        finishing = self._finishing is not None and self._finishing.is_alive()
        return self.folder if self.active or finishing else None

    def start(self) -> None:
        """Begin one; a second request while it runs changes nothing. A failure shows in `check`."""
        if self.active:
            return
        try:
            self._start()
        except (FerEdgeError, OSError) as error:
            self._end("failed", f"no session is recorded: {getattr(error, 'message', error)}")

    def _start(self) -> None:
        if not self.settings.on:
            raise UsageError("the configuration does not allow it (record.on)")
        self._remember(self.settings.folder)
        self.settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if shutil.disk_usage(self.settings.folder).free < MIN_FREE:
            raise OutputError(f"less than {MIN_FREE >> 20} MiB are free in {self.settings.folder}")
        self.folder = new_recording(self.settings.folder)
        self._frames, self.markers, self._began_s, self._trouble, self._boxes = 0, 0, self._clock(), "", ()
        self._sinks = [StoreSink(self.folder, self._facts())]
        if self.settings.video:
            self._sinks.append(VideoSink(self.folder, self._fps or 25.0, apart=True))
        log.warning("a session is recorded in %s%s", self.folder, ", with pictures" if self.settings.video else "")

    def write(self, frame: Frame, observations: Sequence[Observation]) -> None:
        """Take a frame's observations while a session is recorded; its times count from the session's beginning."""
        if not self._sinks:
            return
        if self._clock() - self._began_s >= 60 * self.settings.minutes:
            self.stop("the longest time was reached")
            return
        self._first_s = frame.time_s if not self._frames else self._first_s
        own = replace(frame, index=self._frames, time_s=frame.time_s - self._first_s)
        self._frames += 1
        seen = [replace(o, frame=own.index, time_s=own.time_s) for o in observations]
        self._boxes = still_in_view(own, seen, self._boxes)
        try:
            for sink in self._sinks:
                sink.write(own, self._boxes if isinstance(sink, VideoSink) else seen)
        except (FerEdgeError, OSError) as error:
            self._end("failed", f"the recording ended: {getattr(error, 'message', error)}")

    def mark(self, name: str, source: str, time_s: float) -> None:
        """Keep a marker, at a time of the source's frames; nothing where no session is recorded, or none yet then."""
        own_s = time_s - self._first_s
        for sink in self._sinks if self._frames and own_s >= 0 else ():
            if isinstance(sink, StoreSink):
                sink.mark(Marker(round(own_s, 6), name, source))
                self.markers += 1

    def stop(self, why: str = "stopped on request") -> None:
        """Finish it; without one, nothing happens."""
        if self._sinks:
            self._end(why, "")

    def close(self) -> None:
        """Finish what is being recorded."""
        self.stop("the kiosk ended")
        if self._finishing is not None:
            self._finishing.join()

    def check(self) -> str:
        """Why the last one failed, until another begins; empty otherwise."""
        return self._trouble

    def _end(self, why: str, trouble: str) -> None:
        """Close every sink, whatever the others do."""
        sinks, self._sinks, self._trouble, self.markers = self._sinks, [], trouble, 0
        facts: dict[str, Any] = {"frames": self._frames, "ended": why}
        facts |= {key: value for key, value in self._facts().items() if key == "infer_every_s"}  # as it turned out
        for sink in reversed(sinks):
            if isinstance(sink, VideoSink):
                facts["frames_not_in_video"] = sink.left_out
                self._finishing = threading.Thread(target=self._close, args=(sink,), name="film", daemon=True)
                self._finishing.start()  # an hour's film is written once more at its end, which takes a card a while
            elif isinstance(sink, StoreSink):
                self._close(sink, facts)
        if sinks:
            give_memory_back()
            log.warning("the recording in %s ended: %s", self.folder, self._trouble or why)

    def _close(self, sink: StoreSink | VideoSink, facts: Mapping[str, Any] | None = None) -> None:
        try:
            if isinstance(sink, StoreSink):
                sink.commit()
                sink.note(facts or {})
            sink.close()
        except (FerEdgeError, OSError) as error:
            self._trouble = self._trouble or f"the recording is not whole: {getattr(error, 'message', error)}"


def give_memory_back() -> None:
    """Have the C library return what a recording used: glibc keeps it otherwise, in pieces that nobody uses again."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def still_in_view(frame: Frame, seen: Sequence[Observation], before: Sequence[Observation]) -> Sequence[Observation]:
    """What is to be drawn into a frame: of each face what was last seen, for BOX_S."""
    latest = {o.track: o for o in (*before, *seen)}
    return [o for o in latest.values() if 0 <= frame.time_s - o.time_s <= BOX_S]
