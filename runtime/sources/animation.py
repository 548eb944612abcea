"""Pictures that move: which of them do, and animated WebP, which FFmpeg does not decode and OpenCV does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import SourceError
from ..types import Frame
from .source import shown
from .video import ASSUMED_FPS, no_video


def is_animated_webp(path: Path) -> bool:
    """Whether a file is a WebP that moves: RIFF, the extended format, and its bit for an animation."""
    with path.open("rb") as file:
        head = file.read(21)
    return head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and len(head) == 21 and bool(head[20] & 2)


def is_animated_png(path: Path) -> bool:
    """Whether a file is a PNG that moves, which FFmpeg decodes: its chunk acTL comes before the first picture's."""
    with path.open("rb") as file:
        head = file.read(1 << 16)
    return head.startswith(b"\x89PNG") and b"acTL" in head.partition(b"IDAT")[0]


class AnimatedWebp:
    """An animated WebP, frame by frame; see source.Source."""

    live = False
    still = False

    def __init__(self, path: Path) -> None:
        """Decode it whole, as OpenCV does; raises SourceError."""
        import cv2

        self.name = shown(path)
        if not hasattr(cv2, "imdecodeanimation"):
            raise SourceError(
                f"{path} is an animated WebP, which OpenCV {cv2.__version__} cannot decode",
                cause="OpenCV 4.11 and newer can",
                hint="pip install --upgrade opencv-python-headless",
            )
        animation: Any
        try:
            good, animation = cv2.imdecodeanimation(np.fromfile(path, np.uint8).reshape(1, -1))
        except cv2.error:
            good, animation = False, None
        if not good or not len(animation.frames):
            raise no_video(path)
        self._pictures = [frame[:, :, :3] for frame in animation.frames]
        self._durations_s = [int(ms) / 1000 or 1 / ASSUMED_FPS for ms in animation.durations]
        self.frames: int | None = len(self._pictures)
        self.fps = len(self._durations_s) / sum(self._durations_s)

    def __iter__(self) -> Iterator[Frame]:
        """Frames at the times that their durations make."""
        begin_s = 0.0
        for index, (picture, duration_s) in enumerate(zip(self._pictures, self._durations_s, strict=True)):
            yield Frame(index, begin_s, np.ascontiguousarray(picture))
            begin_s += duration_s

    def close(self) -> None:
        """See Source."""
        self._pictures = []
