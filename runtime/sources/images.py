"""Pictures: one file, or every picture of a folder in the order of their names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...bundle import Image
from ...errors import SourceError
from ..types import Frame
from .source import shown

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
