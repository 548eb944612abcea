"""A video that is encoded in another process, for whoever must not wait for it: a kiosk that records.

`write` hands a frame over and returns. When the encoder is behind by PLACES frames, the next is left out and counted;
frames keep their own times, so the film stays as long as what it shows.

On two busy x86-64 cores a frame of 1280 x 720 costs the loop 24 ms with the encoder in it, nine of ten within 76 ms,
and 1 ms apart, which is drawing the boxes; at 640 x 480 it is 4.8 ms and 0.5 ms (medians of 60 frames). What comes in
the first half second, while the process starts, is not in the film.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from ...bundle import Image
from ...errors import DeviceNotFound
from ..child_process.process import CHILD_FAULTS, ChildProcess, ChildRefused, child_environment, isolated_command
from ..child_process.shared_memory import SharedPictures
from .encoder_child import PICTURE
from .encoders import Encoder

CHILD = Path(__file__).with_name("encoder_child.py")
PACKAGE = Path(__file__).resolve().parents[2]
PLACES = 4
"""Frames that wait, for the encoder takes several times as long for some as for others; 25 MB each in 4K."""
HANGS_S = 20.0
"""For one picture, and for starting: the interpreter and the encoder's library, from an SD card."""
FINISH_S = 120.0
"""For the end: the whole file is written once more, so that it can be played while it is loaded."""


@dataclass(frozen=True)
class InProcess:
    """A kind of encoder, used in a process of its own; called like that kind."""

    kind: type[Encoder]

    def __call__(self, path: Path, width: int, height: int, fps: float) -> EncoderProcess:
        """Begin a file."""
        return EncoderProcess(self.kind, path, width, height, fps)


class EncoderProcess:
    """See Encoder; `left_out` counts frames that found no place. An OSError may be about an earlier frame."""

    def __init__(self, kind: type[Encoder], path: Path, width: int, height: int, fps: float) -> None:
        """Start a process and a thread that speaks with it, and go on."""
        self.suffix, self.notice, self.left_out, self.pid = kind.suffix, "", 0, 0
        size: dict[str, object] = {"width": width, "height": height, "fps": fps}
        options = {**size, "package": __package__.partition(".")[0], "folder": str(PACKAGE), "kind": kind.__name__}
        self._request = json.dumps({"file": str(CHILD), "what": str(path), "options": options}).encode()
        self._waiting: queue.Queue[tuple[Image, float] | None] = queue.Queue(PLACES)
        self._trouble = ""
        self._thread = threading.Thread(target=self._work, name="encoder", daemon=True)
        self._thread.start()

    def write(self, image: Image, time_s: float) -> None:
        """Hand a frame over, which is not changed afterwards; without a place for it, leave it out."""
        if self._trouble:
            raise OSError(self._trouble)
        try:
            self._waiting.put_nowait((image, time_s))
        except queue.Full:
            self.left_out += 1

    def close(self) -> None:
        """Wait until the file is finished and the process has ended."""
        self._waiting.put(None)
        self._thread.join()
        if self._trouble:
            raise OSError(self._trouble)

    def _work(self) -> None:
        shared = SharedPictures.create()
        environment = child_environment(sys.executable, os.environ)
        command = isolated_command(sys.executable, CHILD, shared)
        try:
            child = ChildProcess(command, environment, kinds=b"DKE", purpose=" for the video", shared=shared)
        except DeviceNotFound as error:
            self._trouble = error.message
            return self._let_go()
        self.pid = child.pid
        try:
            self._speak(child)
        except ChildRefused as error:
            self._trouble = error.message
        except CHILD_FAULTS as error:
            words = child.last_words()[-1:]
            child.kill()
            self._trouble = "; ".join([f"the encoder {child.fault(error)}", *words])
        child.close()
        return self._let_go()

    def _speak(self, child: ChildProcess) -> None:
        """Open, append what comes, finish."""
        child.ask(b"O", self._request, wanted=b"D", deadline=monotonic() + HANGS_S)
        while (taken := self._waiting.get()) is not None:
            image, time_s = taken
            parts = [PICTURE.pack(time_s, *image.shape)]
            if child.shared is None:
                parts.append(image.tobytes())
            else:
                child.shared.write(image)
            child.ask(b"P", *parts, wanted=b"K", deadline=monotonic() + HANGS_S)
        child.ask(b"C", wanted=b"K", deadline=monotonic() + FINISH_S)

    def _let_go(self) -> None:
        """After a failure: nobody takes any more, and `close` must not wait for a place."""
        with suppress(queue.Empty):
            while True:
                self._waiting.get_nowait()
