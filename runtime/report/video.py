"""The annotated video: every frame with a box, a label and a confidence over each face.

Written only when the user asks for it: nothing else in fer-edge ever puts a frame on a disk.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from ...bundle import writing
from ...errors import OutputError
from ...files import cannot_write
from ...installation import pip_install
from ..types import Frame, Observation
from .annotate import annotate
from .encoder_process import EncoderProcess, InProcess
from .encoders import Encoder, choose_encoder

MIN_FREE = 1 << 20
"""Bytes that must stay free: OpenCV's writer does not say when the disk is full."""


class VideoSink:
    """Writes `annotated.mp4` (H.264, with PyAV) or `annotated.webm` (VP8, with OpenCV alone) into a session."""

    def __init__(self, folder: Path, fps: float, apart: bool = False) -> None:
        """Choose the encoder; the file appears under its name only when `close` has finished it.

        Args:
            fps: of the source; 0 for pictures that do not belong together, which are shown for a second each.
            apart: encode in a process of its own, and leave out frames that come while it is still at work.
        """
        kind = choose_encoder()
        self._begin: Callable[[Path, int, int, float], Encoder] = kind
        if apart:
            self._begin = InProcess(kind)
        self.path = folder / f"annotated{kind.suffix}"
        self.notice = kind.notice and f"{kind.notice}: {pip_install('video')}"
        self.fps = fps
        self._encoder: Encoder | None = None
        self._open = ExitStack()
        self._frames = 0

    def write(self, frame: Frame, observations: Sequence[Observation]) -> None:
        """Draw and append a frame; frames of another size are scaled to the first one's. Raises OutputError."""
        image = annotate(frame.image, observations)
        try:
            if self._encoder is None:
                part = self._open.enter_context(writing(self.path))
                self._encoder = self._begin(part, image.shape[1], image.shape[0], self.fps or 1.0)
            self._encoder.write(image, frame.time_s if self.fps else float(frame.index))
        except OSError as error:
            raise self._failed(error) from error
        self._frames += 1
        if self._frames % 30 == 0:
            self._check_room()

    @property
    def left_out(self) -> int:
        """Frames that are not in the video, because the encoder was still at an earlier one."""
        return self._encoder.left_out if isinstance(self._encoder, EncoderProcess) else 0

    def close(self) -> None:
        """Finish the file and put it in place; without a single frame there is no file. Raises OutputError."""
        if self._encoder is None:
            return
        encoder, self._encoder = self._encoder, None
        try:
            encoder.close()
            self._check_room()
        except OSError as error:
            self.abandon()
            raise self._failed(error) from error
        self._open.close()

    def abandon(self) -> None:
        """Remove what was written, after a failure."""
        if self._encoder is not None:
            with suppress(OSError):
                self._encoder.close()
            self._encoder = None
        with suppress(OutputError):
            self._open.__exit__(OutputError, OutputError("abandoned"), None)

    def _check_room(self) -> None:
        room = os.statvfs(self.path.parent)
        if room.f_bavail * room.f_frsize < MIN_FREE:
            raise OutputError(
                f"the disk of {self.path} is full", cause="a video grows with every frame", hint="leave --video out"
            )

    def _failed(self, error: OSError) -> OutputError:
        return error if isinstance(error, OutputError) else cannot_write(self.path, error)


def find_video(folder: Path) -> Path | None:
    """The finished video of a session, or None."""
    return next((p for p in (folder / "annotated.mp4", folder / "annotated.webm") if p.is_file()), None)
