"""Pictures: one file, or every picture of a folder in the order of their names; and animated WebP, by OpenCV."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...bundle import Image
from ...errors import SourceError
from ..types import Frame
from .source import shown
from .video import ASSUMED_FPS, no_video

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
"""Suffixes taken as still pictures. A .gif is a video."""
SECONDS_APART = 10.0
"""Pictures of a folder do not follow each other in time: set apart so far, no smoother or tracker joins them."""
MIN_SIDE = 16
"""Pixels; no detector finds a face in less."""


class StillSource:
    """A picture or a folder of pictures."""

    live = False
    still = True
    fps = 0.0

    def __init__(self, path: Path) -> None:
        """List the pictures; raises SourceError when there is none, or the only one cannot be used."""
        self.name = shown(path)
        folder = path.is_dir()
        self._files = sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURES) if folder else [path]
        self.frames: int | None = len(self._files)
        self.skipped: list[str] = []
        if not self._files:
            raise SourceError(
                f"the folder {path} holds no picture",
                cause=f"a picture's name ends in {', '.join(PICTURES)}; for a video, name the file itself",
                hint=f"ls {path}",
            )
        if not folder:
            self._read(path)

    def __iter__(self) -> Iterator[Frame]:
        """One frame a picture; unusable ones of a folder are left out and named in `skipped`."""
        index = 0
        for file in self._files:
            try:
                image = self._read(file)
            except SourceError as error:
                self.skipped.append(error.message)
                continue
            yield Frame(index, index * SECONDS_APART, image)
            index += 1
        if index == 0:
            raise SourceError(
                f"none of the {len(self._files)} pictures of {self.name} can be used", cause=self.skipped[0]
            )

    def close(self) -> None:
        """See Source."""

    @staticmethod
    def _read(file: Path) -> Image:
        import cv2

        try:
            data = np.fromfile(file, np.uint8)
        except OSError as error:
            raise SourceError(f"{file} cannot be read: {error.strerror}", hint=f"ls -l {file}") from None
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
        if image is None:
            raise SourceError(
                f"{file} is not a picture that can be read",
                cause="it is empty, cut short, or of another kind than its name says",
                hint=f"file {file}",
            )
        if min(image.shape[:2]) < MIN_SIDE:
            raise SourceError(
                f"{file} is {image.shape[1]}x{image.shape[0]} pixels, too small to hold a face",
                cause=f"at least {MIN_SIDE} pixels are needed each way",
            )
        return np.asarray(image, np.uint8)


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
