"""The thread that keeps a source open, and the one slot from which whoever looks takes its newest frame."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from ..backoff import Backoff
from ..refusals import Refusals
from ..types import Frame, Stamped
from ..vision.picture_check import PictureCheck
from .camera_process import DEADLINE_S, OPEN_S, CameraRefused
from .source import Phase, Picture, Reader, State, reason_of
from .source_reader import Pacer


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


STEADY_S = 10.0
"""A source that delivered for so long is tried again soon when it is lost; another waits longer each time."""
JOIN_S, KILLED_S = 0.5, 1.2
"""What `close` gives the thread to end by itself, and after its reader was killed; together under 2 s."""


class Capture:
    """Frames of a source that may come and go; what daemon.Frames asks for."""

    def __init__(
        self,
        make: Callable[[], Reader],
        *,
        deadline_s: float = DEADLINE_S,
        open_s: float = OPEN_S,
        picture_check: PictureCheck | None = None,
        backoff: Backoff | None = None,
        every: bool = False,
        once: bool = False,
        refusals: Refusals | None = None,
        on_state: Callable[[State], None] = lambda state: None,
        on_news: Callable[[], None] = lambda: None,
    ) -> None:
        """Start to capture.

        Args:
            make: gives a reader for every attempt, such as `partial(reader_for, "camera:0")`.
            deadline_s: without a picture for so long, the source is lost and opened again.
            open_s: for each attempt to open it.
            picture_check: looks at every picture; None: one that knows whether the source is live.
            every: wait until each frame was taken before the next is read; for files, whose frames come at the pace of
                their time stamps otherwise. Nothing is dropped then.
            once: end at the first failure, and keep it; what has an end is read as with `every`.
            refusals: after a refused password it is asked when these say so; None: as after every other failure.
            on_state: called in the capture's thread at each change of phase; must return at once.
            on_news: likewise after each frame, and at the end; for whoever waits for several sources at once.
        """
        self._make, self._deadline_s, self._open_s = make, deadline_s, open_s
        self._picture_check, self._backoff = picture_check, backoff or Backoff()
        self._every, self._once, self._refusals = every, once, refusals
        self._on_state, self._on_news = on_state, on_news
        self._mailbox, self._stop = Mailbox(), threading.Event()
        self._reader: Reader | None = None
        self._start_s = monotonic()
        self._state = State(Phase.OPENING, since_s=self._start_s)
        self._frames, self._last_s, self._base_s, self._seen = 0, -1.0, 0.0, ""
        self._asked_s: float | None = None
        self.dropped = 0
        """Frames that a newer one replaced before anybody took them."""
        self.reopened = 0
        """How often the source was opened again, in vain or not."""
        self.failure: Exception | None = None
        """What ended it, with `once`."""
        self._thread = threading.Thread(target=self._work, name="capture", daemon=True)
        self._thread.start()

    @property
    def state(self) -> State:
        """What the source does now; a read that blocks and cannot be interrupted counts as lost too."""
        state, asked = self._state, self._asked_s
        if state.phase is Phase.DELIVERING and asked is not None and monotonic() - asked > self._deadline_s:
            return State(Phase.LOST, f"no picture came within {self._deadline_s:.1f} s", asked)
        return state

    def take(self, timeout_s: float) -> Stamped | None:
        """The newest frame that was not taken yet, or None when none comes in time."""
        return self._mailbox.take(timeout_s)

    def ended(self) -> bool:
        """Whether no frame will ever come again: a file was read to its end, or this was closed."""
        return self._mailbox.drained

    def check(self) -> str:
        """What is wrong with the source or its picture, in a sentence; empty when nothing is."""
        state = self.state
        return state.reason if state.phase is not Phase.DELIVERING else self._seen

    def close(self) -> None:
        """End the thread and its reader, within 2 s whatever the source does; calling it twice is harmless."""
        self._stop.set()
        self._mailbox.close()
        self._thread.join(JOIN_S)
        reader = self._reader
        if self._thread.is_alive() and reader is not None:
            reader.interrupt()
            self._thread.join(KILLED_S)

    def _work(self) -> None:
        try:
            while not self._stop.wait(self._left_alone_s()) and not self._attempt():
                if self._stop.wait(self._backoff.next_s()):
                    break
                self.reopened += 1
        finally:
            self._mailbox.close()
            self._on_news()

    def _left_alone_s(self) -> float:
        """How long a camera that refused us is not asked, which is the reason meanwhile."""
        wait_s = self._refusals.wait_s() if self._refusals else 0.0
        if self._refusals and wait_s:
            self._set_state(Phase.LOST, self._refusals.why())
        return wait_s

    def _attempt(self) -> bool:
        """Open the source once and read it; True when there is nothing more to be had."""
        reader: Reader | None = None
        begun = self._frames
        try:
            reader = self._reader = self._make()
            if not self._stop.is_set():
                reader.open(self._open_s)
            return self._read_on(reader)
        except Exception as error:  # a fault of a reader is a reason, not this thread's end
            file_broke = reader is not None and not reader.live and self._frames > begun
            over = file_broke or self._once
            self.failure = error if self._once else None
            if self._refusals and isinstance(error, CameraRefused):
                self._refusals.add(error.message)
            self._set_state(Phase.ENDED if over else Phase.LOST, reason_of(error))
            return over or self._stop.is_set()
        finally:
            self._reader, self._asked_s = None, None
            if reader is not None:
                with suppress(Exception):  # what cannot be let go of shows at the next attempt
                    reader.close()

    def _read_on(self, reader: Reader) -> bool:
        """Deliver until the end, or until stopped: True."""
        check = self._picture_check = self._picture_check or PictureCheck(frozen=reader.live)
        began, steady, pace = monotonic(), False, Pacer(self._stop)
        self._base_s = max(0.0, self._last_s)
        self._every = self._every or (self._once and reader.finite)
        if self._refusals:
            self._refusals.forget()
        while not self._stop.is_set():
            self._asked_s = monotonic()
            picture = reader.read(self._deadline_s)
            self._asked_s = None
            if picture is None:
                self._set_state(Phase.ENDED, "")
                break
            if picture.time_s is not None and not self._every:
                pace.wait(picture.time_s)
            self._deliver(picture)
            self._seen = check.look(picture.image, picture.at_s)
            if not steady and picture.at_s - began >= STEADY_S:
                steady = True
                self._backoff.reset()
        return True

    def _deliver(self, picture: Picture) -> None:
        now = picture.at_s if picture.time_s is None else monotonic()
        time_s = now - self._start_s if picture.time_s is None else self._base_s + picture.time_s
        self._last_s = max(time_s, self._last_s + 1e-6)  # whatever a source says, time does not run backwards
        self._mailbox.put(Stamped(Frame(self._frames, self._last_s, picture.image), now))
        self._on_news()
        self._frames += 1
        self.dropped = self._mailbox.dropped
        self._set_state(Phase.DELIVERING, "")
        if self._every:
            self._mailbox.wait_taken()

    def _set_state(self, phase: Phase, reason: str) -> None:
        if self._stop.is_set():
            return
        known = self._state
        if phase is not known.phase:
            self._state = State(phase, reason, monotonic())
            self._on_state(self._state)
        elif reason != known.reason:
            self._state = State(phase, reason, known.since_s)
