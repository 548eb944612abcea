"""A video that is encoded in another process, for whoever must not wait for it: a kiosk that records.

`write` hands a frame over and returns. While the encoder is still at the one before, the frame is left out and counted;
frames keep their own times, so the film stays as long as what it shows.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from ...bundle import Image
from ...errors import DeviceNotFound
from ..child_process.process import CHILD_FAULTS, ChildProcess, child_environment, isolated_command
from ..child_process.shared_memory import SharedPictures
from .encoder_child import PICTURE
from .encoders import Encoder

CHILD = Path(__file__).with_name("encoder_child.py")
PACKAGE = Path(__file__).resolve().parents[2]
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
    """See Encoder; `left_out` counts frames that came too soon. An OSError may be about an earlier frame."""

    def __init__(self, kind: type[Encoder], path: Path, width: int, height: int, fps: float) -> None:
        """Start the process and go on: until it is ready, frames are left out. Raises OSError."""
        self.left_out, self._path = 0, path
        shared = SharedPictures.create()
        try:
            self._child = ChildProcess(
                isolated_command(sys.executable, CHILD, shared),
                child_environment(sys.executable, os.environ),
                kinds=b"DKE",
                purpose=" for the video",
                shared=shared,
                gently_s=FINISH_S,
            )
        except DeviceNotFound as error:
            raise OSError(error.message) from error
        options = {"package": __package__.partition(".")[0], "folder": str(PACKAGE), "kind": kind.__name__}
        options |= {"width": width, "height": height, "fps": fps}
        self._send(b"O", json.dumps({"file": str(CHILD), "what": str(path), "options": options}).encode())

    def write(self, image: Image, time_s: float) -> None:
        """Hand a frame over, or leave it out while the one before is at work."""
        if self._busy and not self._child.has_message() and monotonic() < self._late:
            self.left_out += 1
            return
        self._finish_one()
        head = PICTURE.pack(time_s, *image.shape)
        if self._child.shared is None:
            self._send(b"P", head, image)
        else:
            self._child.shared.write(image)
            self._send(b"P", head)

    def close(self) -> None:
        """Wait until the file is finished, and end the process."""
        try:
            self._finish_one()
            self._send(b"C")
            self._late = monotonic() + FINISH_S
            self._finish_one()
        finally:
            self._child.close()

    def _send(self, kind: bytes, *parts: object) -> None:
        self._late = monotonic() + HANGS_S
        try:
            self._child.send(kind, *parts, deadline=self._late)
        except CHILD_FAULTS as error:
            raise self._failed(error) from None
        self._busy = True

    def _finish_one(self) -> None:
        """Wait for the answer to what was sent last."""
        if not self._busy:
            return
        self._busy = False
        try:
            kind, body = self._child.receive(self._late)
        except CHILD_FAULTS as error:
            raise self._failed(error) from None
        if kind == b"E":
            raise OSError(json.loads(body)["message"])

    def _failed(self, error: Exception) -> OSError:
        self._child.kill()
        return OSError(f"the encoder {self._child.fault(error)} {'; '.join(self._child.last_words()[-1:])}".strip())
