"""A camera or stream that is read in another process, with a deadline for every picture.

OpenCV's read() can block for good (a camera that hangs, a stream that came back: opencv issue 22677), and nothing in
the same process can end it. A child can be killed. See child.py for what is said over the pipes.

Pictures cross in shared memory. On a 2-core x86-64 machine a frame of 640 x 480 costs 0.02 ms when it is copied within
the process, 0.15 ms (0.08 to 0.19) from a child through shared memory, and 3.4 ms (1.8 to 4.1) over a pipe; decoding
MPEG-4 in the child instead of the thread adds 0.13 ms a frame to 0.32 ms. Medians, least and most, of 9 interleaved
rounds of 200 frames. The child takes 53 MB of memory with OpenCV, of which 21 MB are its own.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from ...errors import DeviceNotFound, FerEdgeError, SourceError
from ..child_process.isolated import alone, surroundings
from ..child_process.link import Link
from ..child_process.shared_memory import SharedPictures
from ..masking import without_secrets
from .camera_child import PICTURE
from .picture import Picture, as_bgr, check_shape

CHILD = Path(__file__).with_name("camera_child.py")
SURROUNDINGS = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENCV_LOG_LEVEL": "ERROR"}
"""The child does no mathematics: without threads for it, it takes less memory. OpenCV warns of other ways to open a
camera that it tried, and so hides why the right one failed."""
QUIET = "OPENCV_FFMPEG_LOGLEVEL"
"""Not passed on: where it is set, at any level, FFmpeg's errors go to a buffered stdout and are never seen; they are
the reason of a lost stream."""


class ReaderProcess:
    """A child with an open camera; see readers.Reader. It ends with the thread that opened it."""

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
        self.name, self._driver, self._python, self._secret, self._share = name, driver, python, secret, share
        self._request = json.dumps({"what": what, "options": dict(options)}).encode()
        self._lock = threading.Lock()
        self._link: Link | None = None
        self._shared: SharedPictures | None = None
        self._interrupted = False
        self.about: dict[str, Any] = {}
        """What the driver says of the camera, once it is open."""

    @property
    def pid(self) -> int | None:
        """Of the child; None when there is none."""
        return self._link.pid if self._link else None

    def open(self, limit_s: float) -> None:
        """Start the child and open the camera in it.

        Raises:
            DeviceNotFound: no such interpreter, library or camera; SourceError: it did not open, crashed or hung.
        """
        deadline = monotonic() + limit_s
        self._start()
        self.about = json.loads(self._ask(b"O", self._request, b"D", deadline, f"did not open within {limit_s:.1f} s"))

    def read(self, limit_s: float) -> Picture:
        """The next picture; raises SourceError when none came in time, none will come, or the child crashed."""
        asked = monotonic()
        body = self._ask(b"N", b"", b"P", asked + limit_s, f"gave no picture for {limit_s:.1f} s")
        try:
            stamp, *sides = PICTURE.unpack_from(body)
            shape = tuple(sides)
            check_shape(shape, self.name)
            if self._shared is not None:
                image = as_bgr(self._shared.view(shape))
            else:
                image = as_bgr(np.frombuffer(body, np.uint8, offset=PICTURE.size).reshape(shape))
        except SourceError:
            raise
        except (ValueError, struct.error) as error:
            raise self._failure(f"gave something that is no picture: {error}") from None
        return Picture(image, min(max(stamp, asked), monotonic()))

    def interrupt(self) -> None:
        """Kill the child; whoever waits for it is told."""
        with self._lock:
            self._interrupted = True
            if self._link is not None:
                self._link.kill()

    def close(self) -> None:
        """End the child, gently and then not; calling it twice is harmless."""
        with self._lock:
            link, self._link = self._link, None
        if link is not None:
            link.close()
        if self._shared is not None:
            self._shared.close()
        self._shared = None

    def _start(self) -> None:
        self._shared = SharedPictures.create() if self._share else None
        passed = [self._shared.descriptor] if self._shared else []
        words = [str(self._driver), str(passed[0] if passed else -1), str(os.getpid())]
        with self._lock:
            if self._interrupted:
                raise SourceError(f"{self.name} was closed")
            try:
                self._link = Link(alone(self._python, str(CHILD), *words), passed, environment(self._python))
            except OSError as error:
                raise DeviceNotFound(
                    f"the interpreter {self._python} for {self.name} cannot be started",
                    cause=error.strerror or str(error),
                    hint=f"ls -l {self._python}",
                ) from error

    def _ask(self, kind: bytes, body: bytes, wanted: bytes, deadline: float, late: str) -> bytes:
        """Send a frame and wait for the answer of the kind wanted."""
        link = self._link
        if link is None:
            raise SourceError(f"{self.name} is not open")
        try:
            link.send(kind, body)
            got, answer = link.answer(deadline)
        except TimeoutError:
            raise self._failure(late) from None
        except EOFError:
            raise self._failure(f"is not read any more: its reader ended by {link.how_it_ended()}") from None
        except ValueError:
            raise self._failure("gave something that is no picture") from None
        if got == b"Z":
            raise SourceError(f"{self.name} gives no more pictures", cause="it was unplugged, switched off or ended")
        if got == b"E":
            raise self._refusal(json.loads(answer))
        if got != wanted:
            raise self._failure("gave something that is no picture")
        return answer

    def _failure(self, what: str) -> SourceError:
        """The child's end, its silence or its nonsense, as an error; the child is no more afterwards."""
        if self._interrupted or self._link is None:
            return SourceError(f"{self.name} was closed")
        words = self._hide(self._link.last_words())
        self._link.kill()
        return SourceError(f"{self.name} {what}", cause=words or "the camera or its library hangs or crashed")

    def _refusal(self, answer: Mapping[str, str]) -> FerEdgeError:
        """What the driver raised, as the error it stands for."""
        kind, message = answer["kind"], self._hide(answer["message"])
        if kind == "ImportError":
            hint = f"{self._python} -c 'import picamera2'" if "picamera2" in message else "fer-edge doctor"
            cause = f"{self._python} does not have the library"
            return DeviceNotFound(f"{self.name} cannot be opened: {message}", cause=cause, hint=hint)
        if kind == "LookupError":
            cause = "none is plugged in, another program uses it, or this user may not open it"
            return DeviceNotFound(f"{self.name} cannot be opened: {message}", cause=cause, hint="ls -l /dev/video*")
        words = self._hide(self._link.last_words()) if self._link else ""
        return SourceError(f"{self.name} failed: {message}", cause=words)

    def _hide(self, text: str) -> str:
        return without_secrets(text, self._secret) if self._secret else text


def environment(python: str) -> dict[str, str]:
    """Of a child."""
    ours = surroundings(python, os.environ)
    return {**{name: value for name, value in ours.items() if name != QUIET}, **SURROUNDINGS}
