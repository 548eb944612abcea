"""A camera or stream that is read in another process, with a deadline for every picture.

OpenCV's read() can block for good (a camera that hangs, a stream that came back: opencv issue 22677), and nothing in
the same process can end it. A child can be killed. camera_child.py documents what is said over the pipes.

Pictures cross in shared memory. On a 2-core x86-64 machine a frame of 640 x 480 costs 0.02 ms when it is copied within
the process, 0.15 ms (0.08 to 0.19) from a child through shared memory, and 3.4 ms (1.8 to 4.1) over a pipe; decoding
MPEG-4 in the child instead of the thread adds 0.13 ms a frame to 0.32 ms. Medians, least and most, of 9 interleaved
rounds of 200 frames. The child takes 53 MB of memory with OpenCV, of which 21 MB are its own.
"""

from __future__ import annotations

import json
import math
import os
import re
import struct
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from ...errors import DeviceNotFound, FerEdgeError, SourceError
from ..child_process.process import ChildProcess, ChildRefused, child_environment, isolated_command
from ..child_process.shared_memory import SharedPictures
from ..masking import without_secrets
from .camera_child import PICTURE
from .camera_clock import CameraClock
from .drivers.opencv import QUIET
from .source import Picture, as_bgr, check_shape

CHILD = Path(__file__).with_name("camera_child.py")
DEADLINE_S, OPEN_S = 5.0, 20.0
"""For a picture, and for opening: starting an interpreter, loading OpenCV and, for a stream, 10 s of FFmpeg's own
patience."""
CHILD_SETTINGS = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENCV_LOG_LEVEL": "ERROR"}
"""The child does no mathematics: without threads for it, it takes less memory. OpenCV warns of other ways to open a
camera that it tried, and so hides why the right one failed."""
NO_PICTURE = "gave something that is no picture"
_ADDRESS = re.compile(r"^\[(\w+) @ 0x[0-9a-f]+\] ")
"""What FFmpeg begins a line with."""
_REFUSED = re.compile(r"\(40[13]\)|\b40[13] \(?(Unauthorized|Forbidden)")


class NoMorePictures(SourceError):
    """The camera or stream came to an end: it was unplugged, switched off or ended."""


class CameraRefused(SourceError):
    """The camera answered, and does not take the user name or password: asking again at once may lock them."""


class CameraProcess:
    """A child with an open camera; see source.Reader. It ends with the thread that opened it."""

    live = True

    def __init__(
        self,
        driver: Path,
        what: str,
        options: Mapping[str, object],
        *,
        name: str,
        python: str = sys.executable,
        secret: str = "",
        share: bool = True,
    ) -> None:
        """Prepare; nothing is started.

        Args:
            driver: the driver's file.
            what, options: given to the driver.
            name: for people.
            python: the interpreter the driver needs.
            secret: a URL that must not be seen in anything the child's libraries say.
            share: pictures cross in shared memory; over the pipe when False, or where the kernel offers none.
        """
        self.name, self._python, self._secret, self._share = name, python, secret, share
        self._request = json.dumps({"file": str(driver), "what": what, "options": dict(options)}).encode()
        self._lock = threading.Lock()
        self._child: ChildProcess | None = None
        self._interrupted = False
        self._clock, self._begin_s = CameraClock(), math.nan
        self.about: dict[str, Any] = {}
        """What the driver says of the camera, once it is open."""

    @property
    def finite(self) -> bool:
        """Whether it is a film that is read over the network: it has an end, and waits until it is read."""
        return bool(self.about.get("duration"))

    @property
    def pid(self) -> int | None:
        """Of the child; None when there is none."""
        return self._child.pid if self._child else None

    def open(self, limit_s: float) -> None:
        """Start the child and open the camera in it.

        Raises DeviceNotFound: no such interpreter, library or camera; SourceError: it did not open, crashed or hung.
        """
        deadline = monotonic() + limit_s
        self._start()
        self.about = json.loads(self._ask(b"O", self._request, b"D", deadline, f"did not open within {limit_s:.1f} s"))

    def read(self, limit_s: float) -> Picture:
        """The next picture; raises NoMorePictures at the end, SourceError when none came in time or after a crash."""
        asked = monotonic()
        body = self._ask(b"N", b"", b"PZ", asked + limit_s, f"gave no picture for {limit_s:.1f} s")
        try:
            stamp, own_s, *sides = PICTURE.unpack_from(body)
            shape = tuple(sides)
            check_shape(shape, self.name)
            if self._child is not None and self._child.shared is not None:
                image = as_bgr(self._child.shared.view(shape))
            else:
                image = as_bgr(np.frombuffer(body, np.uint8, offset=PICTURE.size).reshape(shape))
        except SourceError:
            raise
        except (ValueError, struct.error) as error:
            raise self._failure(f"{NO_PICTURE}: {error}") from None
        came_s = min(max(stamp, asked), monotonic())
        if not self.finite:
            return Picture(image, self._clock.taken_s(own_s, came_s))
        self._begin_s = own_s if math.isnan(self._begin_s) else self._begin_s
        return Picture(image, came_s, own_s - self._begin_s)

    def interrupt(self) -> None:
        """Kill the child; whoever waits for it gets an error."""
        with self._lock:
            self._interrupted = True
            if self._child is not None:
                self._child.kill()

    def close(self) -> None:
        """End the child, gently and then not; calling it twice is harmless."""
        with self._lock:
            child, self._child = self._child, None
        if child is not None:
            child.close()

    def _start(self) -> None:
        environment = child_environment(self._python, os.environ)
        environment.pop(QUIET, None)  # FFmpeg's errors are the reason of a lost stream
        with self._lock:
            if self._interrupted:
                raise SourceError(f"{self.name} was closed")
            shared = SharedPictures.create() if self._share else None
            self._child = ChildProcess(
                isolated_command(self._python, CHILD, shared),
                {**environment, **CHILD_SETTINGS},
                kinds=b"DPZE",
                purpose=f" for {self.name}",
                shared=shared,
            )

    def _ask(self, kind: bytes, body: bytes, wanted: bytes, deadline: float, late: str) -> bytes:
        """Send a message and wait for the answer of a kind wanted."""
        child = self._child
        if child is None:
            raise SourceError(f"{self.name} is not open")
        try:
            got, answer = child.ask(kind, body, wanted=wanted, deadline=deadline)
        except ChildRefused as error:
            raise self._refusal(error) from None
        except TimeoutError:
            raise self._failure(late) from None
        except EOFError:
            raise self._failure(f"is not read any more: its reader ended by {child.how_it_ended()}") from None
        except ValueError:
            raise self._failure(NO_PICTURE) from None
        if got == b"Z":
            raise NoMorePictures(f"{self.name} gives no more pictures", cause="it was unplugged, switched off or ended")
        return answer

    def _failure(self, what: str) -> SourceError:
        """The child's end, its silence or its nonsense, as an error; the child is no more afterwards."""
        if self._interrupted or self._child is None:
            return SourceError(f"{self.name} was closed")
        words = self._last_words()
        self._child.kill()
        return SourceError(f"{self.name} {what}", cause=words or "the camera or its library hangs or crashed")

    def _refusal(self, answer: ChildRefused) -> FerEdgeError:
        """What the driver raised, as the error it stands for."""
        kind, message = answer.kind, self._hide(answer.message)
        if kind == "ImportError":
            hint = f"{self._python} -c 'import picamera2'" if "picamera2" in message else "fer-edge doctor"
            cause = f"{self._python} does not have the library"
            return DeviceNotFound(f"{self.name} cannot be opened: {message}", cause=cause, hint=hint)
        if kind == "LookupError":
            cause = "none is plugged in, another program uses it, or this user may not open it"
            return DeviceNotFound(f"{self.name} cannot be opened: {message}", cause=cause, hint="ls -l /dev/video*")
        words = self._last_words()  # where OpenCV stands in for PyAV, only FFmpeg's own words tell
        refused = _REFUSED.search(f"{message} {words}")
        return (CameraRefused if refused else SourceError)(f"{self.name} failed: {message}", cause=words)

    def _last_words(self) -> str:
        """The last line that the child's libraries printed, without FFmpeg's address; empty when they said nothing."""
        lines = self._child.last_words() if self._child else []
        return self._hide(_ADDRESS.sub("", lines[-1])) if lines else ""

    def _hide(self, text: str) -> str:
        return without_secrets(text, self._secret) if self._secret else text
